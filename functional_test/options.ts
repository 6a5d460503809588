import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'

/** The sale to race for: one that exists, or one this run makes on a server of its own. */
export type Target =
  | {
      readonly kind: 'host'
      readonly origin: string
      readonly flashSaleId: number
      readonly productId: number
      readonly adminToken: string
    }
  | { readonly kind: 'own server'; readonly stock: number; readonly holdSeconds: number }

export interface Options {
  readonly kind: 'run'
  readonly target: Target
  readonly bots: number
  readonly seed: number
  readonly timeoutSeconds: number
}

/** The command line cannot be used; `message` says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const usage = `Usage: npm run functional-test -- [flags]

Bots race for one product of a flash sale, then every promise is checked: what they were told
against what the shop says (API A stock, API B invoices, the audit).

Without a host the program is built if needed, started on a free port with a sale of its own, and
stopped afterwards. With a host the sale and the product must exist and be open.

  --host, -h <url>          a running Holdfast, e.g. http://127.0.0.1:3000
  --flash-sale <id>         the sale there            (also -flashsale=<id>)
  --product <id>            the product in that sale  (also -productID=<id>)
  --admin-token <token>     admin token of that host  (default: ADMIN_TOKEN of the environment)
  --bots <n>                shoppers                  (default 500, at most 20000)
  --seed <n>                the same seed gives the same personas (default: a random one, printed)
  --timeout <seconds>       the whole run ends by then (default 180; with a host 600)
  --stock <n>               units of the sale it makes itself (default 50)
  --hold-seconds <n>        hold time of the server it starts (default 5, more for many bots)
  --help                    this text

Exit code: 0 every invariant holds, 1 one is violated, 2 wrong usage or the host cannot be used.`

const optionNames = {
  host: { type: 'string' },
  'flash-sale': { type: 'string' },
  product: { type: 'string' },
  'admin-token': { type: 'string' },
  bots: { type: 'string' },
  seed: { type: 'string' },
  timeout: { type: 'string' },
  stock: { type: 'string' },
  'hold-seconds': { type: 'string' },
  help: { type: 'boolean' },
} as const

/** Spellings of the original's Go program. */
const aliases: Readonly<Record<string, string>> = {
  h: 'host',
  flashsale: 'flash-sale',
  productid: 'product',
}

type Flags = Partial<Record<Exclude<keyof typeof optionNames, 'help'>, string>>

/** @throws UsageError saying what is wrong with the command line. */
export function readOptions(
  commandLine: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options | { readonly kind: 'help' } {
  const { help, ...flags } = parse(commandLine)
  if (help === true) return { kind: 'help' }
  const bots = integer(flags, 'bots', { min: 1, max: 20_000 }) ?? 500
  const target = targetOf(flags, bots, environment['ADMIN_TOKEN'])
  return {
    kind: 'run',
    target,
    bots,
    seed: integer(flags, 'seed', { min: 0, max: 0xffff_ffff }) ?? randomInt(0x1_0000_0000),
    timeoutSeconds:
      integer(flags, 'timeout', { min: 1, max: 3600 }) ?? (target.kind === 'host' ? 600 : 180),
  }
}

function parse(commandLine: readonly string[]): Flags & { readonly help?: boolean } {
  try {
    const args = commandLine.map(doubleDashed)
    return parseArgs({ args, options: optionNames, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Go takes long flags with one dash; `node:util` wants two. */
function doubleDashed(argument: string): string {
  const flag = /^--?([a-zA-Z][\w-]*)(=.*)?$/s.exec(argument)
  if (flag === null) return argument
  const [, name = '', value = ''] = flag
  return `--${aliases[name.toLowerCase()] ?? name}${value}`
}

function targetOf(flags: Flags, bots: number, adminTokenDefault: string | undefined): Target {
  if (flags.host === undefined) return ownServer(flags, bots)
  refuse(flags, ['stock', 'hold-seconds'], 'is only for the server this program starts itself')
  const flashSaleId = integer(flags, 'flash-sale', { min: 1, max: Number.MAX_SAFE_INTEGER })
  const productId = integer(flags, 'product', { min: 1, max: Number.MAX_SAFE_INTEGER })
  if (flashSaleId === undefined || productId === undefined) {
    throw new UsageError('--host needs --flash-sale and --product: which sale, which product?')
  }
  const adminToken = flags['admin-token'] ?? adminTokenDefault ?? ''
  if (adminToken === '') {
    throw new UsageError(
      '--host needs --admin-token (or ADMIN_TOKEN): bots are made and invoices read over the admin API',
    )
  }
  return { kind: 'host', origin: originOf(flags.host), flashSaleId, productId, adminToken }
}

function ownServer(flags: Flags, bots: number): Target {
  refuse(flags, ['flash-sale', 'product', 'admin-token'], 'needs --host as well')
  return {
    kind: 'own server',
    stock: integer(flags, 'stock', { min: 1, max: 1_000_000 }) ?? 50,
    // Winners must get through the crowd to the till before their hold ends.
    holdSeconds:
      integer(flags, 'hold-seconds', { min: 1, max: 3600 }) ?? Math.max(5, Math.ceil(bots / 250)),
  }
}

function refuse(flags: Flags, names: readonly (keyof Flags)[], why: string): void {
  const given = names.find((name) => flags[name] !== undefined)
  if (given !== undefined) throw new UsageError(`--${given} ${why}`)
}

function originOf(host: string): string {
  const written = /^[a-z][a-z\d+.-]*:\/\//i.test(host) ? host : `http://${host}`
  const url = URL.canParse(written) ? new URL(written) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new UsageError(`--host: expected an address such as http://127.0.0.1:3000, got '${host}'`)
  }
  return url.href.replace(/\/$/, '')
}

function integer(
  flags: Flags,
  name: keyof Flags,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const written = flags[name]
  if (written === undefined) return undefined
  const value = /^\d{1,16}$/.test(written) ? Number(written) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw new UsageError(
      `--${name}: expected a whole number from ${min} to ${max}, got '${written}'`,
    )
  }
  return value
}
