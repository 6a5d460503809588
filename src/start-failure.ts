/**
 * Says in one sentence why a process could not start, and what to do about it. It imports nothing,
 * so that it can speak when a module cannot even be loaded.
 */

/** The variables that a failure may name. */
export interface StartSettings {
  readonly host: string
  readonly port: number
  readonly adminPort: number | undefined
  readonly databasePath: string
  readonly paymentSimulatorPath: string
}

/** A start that failed for a reason outside the program; `message` says which, and what to do. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure'
}

/** Errors of these names were written for the person who starts the program. */
const understoodNames = new Set([
  'StartFailure',
  'ConfigError',
  'SecretsFileError',
  'MigrationError',
  'DatabaseUnavailableError',
  'ProviderUnavailableError',
])

/** Tells whether the message alone helps; any other error is a bug, and its stack says where. */
export function isUnderstood(error: unknown): boolean {
  return explanation(error) !== undefined || understoodNames.has(nameOf(error))
}

/** The sentence for an error; its own message when nothing better is known. */
export function sentenceOf(error: unknown): string {
  const reason = nameOf(error) === 'ConfigError' ? 'The environment cannot be used:\n' : ''
  return explanation(error) ?? `${reason}${messageOf(error)}`
}

/** Returns the error with a sentence that says what to do; an unknown error stays as it is. */
export function explainStart(error: unknown, settings: StartSettings): unknown {
  const sentence = explanation(error, settings)
  return sentence === undefined ? error : new StartFailure(sentence, { cause: error })
}

function explanation(error: unknown, settings?: StartSettings): string | undefined {
  const causes = causesOf(error)
  return (
    nativeModuleSentence(causes) ??
    missingPackageSentence(causes) ??
    (settings && (listenSentence(causes, settings) ?? fileSentence(causes, settings)))
  )
}

const causesMax = 5

function causesOf(error: unknown): readonly unknown[] {
  const causes: unknown[] = []
  for (let each = error; each !== undefined && causes.length < causesMax;) {
    causes.push(each)
    each = each instanceof Error ? each.cause : undefined
  }
  return causes
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '')

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' ? code : ''
}

const otherNode = 'was compiled against a different Node.js version'
const notBuilt =
  /could not locate the bindings file|no native build was found|better-sqlite3\S* is not installed/i

function nativeModuleSentence(causes: readonly unknown[]): string | undefined {
  const messages = causes.map(messageOf)
  if (messages.some((message) => message.includes(otherNode))) {
    return `The SQLite driver was built for another Node version than this one, ${process.version}: run npm ci with this Node, or start with the one it was installed with.`
  }
  const isMissing = messages.some((message) => notBuilt.test(message))
  if (isMissing || causes.some((cause) => codeOf(cause) === 'ERR_DLOPEN_FAILED')) {
    return 'The SQLite driver was not built when it was installed: install a C++ compiler, make and Python 3 (Debian: apt-get install build-essential python3; macOS: xcode-select --install), then run npm ci without --ignore-scripts and --omit=optional.'
  }
  return undefined
}

function missingPackageSentence(causes: readonly unknown[]): string | undefined {
  const missing = causes.find((cause) => codeOf(cause) === 'ERR_MODULE_NOT_FOUND')
  const [, name] = /Cannot find package '([^']+)'/.exec(messageOf(missing)) ?? []
  return name === undefined
    ? undefined
    : `The package ${name} is not installed: run npm ci, then start again.`
}

function listenSentence(causes: readonly unknown[], settings: StartSettings): string | undefined {
  const failed = causes.find((cause) => isListening(cause))
  if (failed === undefined) return undefined
  const { port } = failed as { readonly port?: number }
  const { host } = settings
  const variable = port === settings.adminPort ? 'ADMIN_PORT' : 'PORT'
  switch (codeOf(failed)) {
    case 'EADDRINUSE':
      return `Port ${port ?? ''} of ${host} is taken: stop the program that listens there, which may be another Holdfast, or set ${variable} to a free port.`
    case 'EACCES':
      return `Port ${port ?? ''} may not be opened by this user: set ${variable} to 1024 or more, with a reverse proxy in front.`
    default:
      return `HOST=${host} is no address of this machine (${codeOf(failed)}): set it to 127.0.0.1, 0.0.0.0 or one that the machine has.`
  }
}

function isListening(error: unknown): boolean {
  const { syscall } = (error ?? {}) as { readonly syscall?: unknown }
  return syscall === 'listen' || (syscall === 'getaddrinfo' && codeOf(error) !== '')
}

const unusable =
  /^(ENOENT|EACCES|EPERM|EROFS|ENOTDIR|EISDIR|EEXIST|ELOOP|ENAMETOOLONG)$|^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/
const damaged = /^SQLITE_(NOTADB|CORRUPT)/

function fileSentence(causes: readonly unknown[], settings: StartSettings): string | undefined {
  const names = causes.map(nameOf)
  const { databasePath, paymentSimulatorPath } = settings
  if (names.includes('MigrationError')) {
    return `The database ${databasePath} cannot be used: ${messageOf(causes.find((cause) => nameOf(cause) === 'MigrationError'))}. Start the version of the program that wrote it, or set DATABASE_PATH to another file.`
  }
  const [what, path, variable] = names.includes('DatabaseUnavailableError')
    ? (['database', databasePath, 'DATABASE_PATH'] as const)
    : (['ledger of the payment simulator', paymentSimulatorPath, 'PAYMENT_SIMULATOR_PATH'] as const)
  const codes = causes.map(codeOf)
  const unusableCode = codes.find((code) => unusable.test(code))
  if (unusableCode !== undefined) {
    return `The ${what} ${path} can be neither opened nor made (${unusableCode}): set ${variable} to a file in a folder that this user may write to.`
  }
  const damagedCode = codes.find((code) => damaged.test(code))
  if (damagedCode !== undefined) {
    return `The ${what} ${path} is damaged or no SQLite file (${damagedCode}): restore a backup of it, or set ${variable} to another file.`
  }
  return undefined
}
