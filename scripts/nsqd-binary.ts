import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Finds nsqd and nsqlookupd, or builds them. No Debian or npm package ships them, so a checkout
 * with Go on the machine builds them once into a cache outside the repository.
 */

export type NsqBinary = 'nsqd' | 'nsqlookupd'

export interface FindOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Prints a line when something takes long, or the reason why there is no program. */
  readonly say: (line: string) => void
}

const version = '1.3.0'
const downloadTimeoutMs = 120_000
const buildTimeoutMs = 300_000
const run = promisify(execFile)

/**
 * Finds the program in `NSQD_BIN` or `NSQLOOKUPD_BIN`, then PATH, then the cache, or builds it with Go.
 * @returns its path; undefined when it can neither be found nor built, after `say` got the reason.
 * @throws when the variable names a file that cannot be run: a typing error must not be silent.
 */
export async function findNsqBinary(
  name: NsqBinary,
  options: FindOptions,
): Promise<string | undefined> {
  const variable = name === 'nsqd' ? 'NSQD_BIN' : 'NSQLOOKUPD_BIN'
  const named = options.environment[variable]
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named
    throw new Error(`${variable}=${named} is not a program that can be run`)
  }
  const cached = join(cacheFolder(options.environment), name)
  const found = (await findOnPath(name, options.environment)) ?? (await executableOr(cached))
  if (found !== undefined) return found
  const go = await findOnPath('go', options.environment)
  if (go === undefined) {
    options.say(`${name} is not on PATH, and without Go it cannot be built; or set ${variable}`)
    return undefined
  }
  return build(name, go, cached, options)
}

function cacheFolder(environment: FindOptions['environment']): string {
  const base = environment['XDG_CACHE_HOME']
  const root = base === undefined || base === '' ? join(homedir(), '.cache') : base
  return join(root, 'holdfast', `nsq-${version}`)
}

async function findOnPath(
  name: string,
  environment: FindOptions['environment'],
): Promise<string | undefined> {
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = await executableOr(join(folder, name))
    if (path !== undefined) return path
  }
  return undefined
}

async function executableOr(path: string): Promise<string | undefined> {
  return (await isExecutable(path)) ? path : undefined
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Builds the program in the downloaded sources, because `go install …@v1.3.0` is refused: the
 * module's go.mod has a `replace`. The result is renamed into place, so two builders at once are
 * harmless.
 */
async function build(
  name: NsqBinary,
  go: string,
  target: string,
  { environment, say }: FindOptions,
): Promise<string | undefined> {
  say(`building ${name} ${version} with Go into ${target} (once, takes about a minute)`)
  const workFolder = await mkdtemp(join(tmpdir(), 'holdfast-nsq-'))
  const temporary = `${target}.${randomUUID()}.tmp`
  try {
    await mkdir(join(target, '..'), { recursive: true })
    const download = ['mod', 'download', '-json', `github.com/nsqio/nsq@v${version}`]
    const { stdout } = await run(go, download, {
      cwd: workFolder,
      env: { ...environment },
      timeout: downloadTimeoutMs,
    })
    await run(go, ['build', '-buildvcs=false', '-o', temporary, `./apps/${name}`], {
      cwd: sourcesIn(stdout),
      env: { ...environment },
      timeout: buildTimeoutMs,
    })
    await rename(temporary, target)
    return target
  } catch (error) {
    say(`${name} could not be built: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  } finally {
    await rm(workFolder, { recursive: true, force: true })
    await rm(temporary, { force: true })
  }
}

function sourcesIn(downloadOutput: string): string {
  const parsed: unknown = JSON.parse(downloadOutput)
  if (typeof parsed === 'object' && parsed !== null && 'Dir' in parsed) {
    if (typeof parsed.Dir === 'string') return parsed.Dir
  }
  throw new Error(`go mod download did not say where the sources are: ${downloadOutput}`)
}
