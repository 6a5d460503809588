import { readFlags, readWholeNumber, UsageError, type Bounds } from '../scripts/command-line.ts'
import { randomSeed, seedMax } from '../test/support/random.ts'

/** The sale to race for: one that exists, or one this run makes on a server of its own. */
export type Target =
  | {
      readonly kind: 'host'
      readonly origin: string
      readonly flashSaleId: number
      readonly productId: number
      readonly adminToken: string
    }
  | {
      readonly kind: 'own program'
      readonly broker: Broker
      readonly apiNodes: number
      readonly stock: number
      readonly holdSeconds: number
    }

export const brokers = ['embedded', 'nsq'] as const
export type Broker = (typeof brokers)[number]

export interface Options {
  readonly target: Target
  readonly bots: number
  readonly seed: number
  readonly timeoutSeconds: number
  /** Folder for `report.json` and `report.html`. */
  readonly reportFolder: string | null
}

export const usage = `Usage: npm run functional-test -- [flags]

Bots race for one product of a flash sale: all connected before, all in the same second, each with an
identity and a connection of its own. For 30 s they struggle on: try again, click twice, abandon, have
cards declined, come back when stock does. Then every promise is checked: what they were told against
what the shop says (API A stock, API B invoices, carts, the audit).

Without a host the program is built if needed, started on free ports with a sale of its own, and
stopped afterwards. With a host the sale and the product must exist and be open.

  --bots <n>                shoppers, at most 20000   (default 10000; with a host 500: ten thousand
                            connections need a raised open-file limit at both ends, and it is
                            somebody's shop)
  --seed <n>                the same seed gives the same personas (default: a random one, printed)
  --timeout <seconds>       the whole run ends by then (default 180; with a host 600)
  --report <folder>         write report.json and report.html there

A program of its own:
  --broker embedded|nsq     one process, or API nodes, nsqd and a worker (default embedded)
  --api-nodes <n>           API nodes, with --broker nsq; bots are dealt out over them (default 1)
  --stock <n>               units of the sale         (default 1 for every 10 bots: 1000)
  --hold-seconds <n>        hold time                 (default 5, more for many bots)

A running host:
  --host, -h <url>          a running Holdfast, e.g. http://127.0.0.1:3000
  --flash-sale <id>         the sale there            (also -flashsale=<id>)
  --product <id>            the product in that sale  (also -productID=<id>)
  --admin-token <token>     admin token of that host  (default: ADMIN_TOKEN of the environment)

  --help                    this text

Exit code: 0 every invariant holds, 1 one is violated, 2 wrong usage or the run could not begin,
130 interrupted.`

const flagTypes = {
  host: { type: 'string' },
  'flash-sale': { type: 'string' },
  product: { type: 'string' },
  'admin-token': { type: 'string' },
  bots: { type: 'string' },
  seed: { type: 'string' },
  timeout: { type: 'string' },
  report: { type: 'string' },
  broker: { type: 'string' },
  'api-nodes': { type: 'string' },
  stock: { type: 'string' },
  'hold-seconds': { type: 'string' },
} as const

const ownProgramFlags = ['broker', 'api-nodes', 'stock', 'hold-seconds'] as const
const hostFlags = ['flash-sale', 'product', 'admin-token'] as const
const botsMax = 20_000
const apiNodesMax = 8
/** An API node takes 20,000 connections, and some bots have two. */
const botsPerNodeMax = 16_000
/**
 * The default for a shop that this run did not start, because its limit of open files is unknown.
 */
const hostBots = 500
const ownProgramBots = 10_000
/** There are ten bots for each unit. */
const botsPerUnit = 10

/** Spellings of the original's Go program. */
const aliases: Readonly<Record<string, string>> = {
  h: 'host',
  flashsale: 'flash-sale',
  productid: 'product',
}

type Flags = Partial<Record<keyof typeof flagTypes, string>>

/**
 * Reads the command line.
 * @throws UsageError with what is wrong in it.
 */
export function readOptions(
  commandLine: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const flags: Flags = readFlags(commandLine.map(doubleDashed), flagTypes)
  const botsDefault = flags.host === undefined ? ownProgramBots : hostBots
  const bots = integer(flags, 'bots', { min: 1, max: botsMax }) ?? botsDefault
  const target = targetOf(flags, bots, environment['ADMIN_TOKEN'])
  return {
    target,
    bots,
    seed: integer(flags, 'seed', { min: 0, max: seedMax }) ?? randomSeed(),
    timeoutSeconds:
      integer(flags, 'timeout', { min: 1, max: 3600 }) ?? (target.kind === 'host' ? 600 : 180),
    reportFolder: folderOf(flags.report),
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
  if (flags.host === undefined) return ownProgram(flags, bots)
  refuse(flags, ownProgramFlags, 'is only for the program that is started here')
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

function ownProgram(flags: Flags, bots: number): Target {
  refuse(flags, hostFlags, 'needs --host as well')
  const broker = brokerOf(flags.broker)
  const apiNodes = integer(flags, 'api-nodes', { min: 1, max: apiNodesMax }) ?? 1
  if (broker === 'embedded' && apiNodes > 1) {
    throw new UsageError('--api-nodes needs --broker nsq: the embedded broker is in one process')
  }
  if (bots > botsPerNodeMax * apiNodes) {
    throw new UsageError(
      `--bots: an API node takes ${botsPerNodeMax} of them; more need --broker nsq --api-nodes 2`,
    )
  }
  return {
    kind: 'own program',
    broker,
    apiNodes,
    stock: integer(flags, 'stock', { min: 1, max: 1_000_000 }) ?? Math.ceil(bots / botsPerUnit),
    // Winners must get through the crowd and pay before their hold ends, and abandoned holds
    // must end while others are still waiting for them.
    holdSeconds:
      integer(flags, 'hold-seconds', { min: 1, max: 3600 }) ?? Math.max(5, Math.ceil(bots / 800)),
  }
}

function brokerOf(written = 'embedded'): Broker {
  const broker = brokers.find((name) => name === written)
  if (broker === undefined) {
    throw new UsageError(`--broker: expected ${brokers.join(' or ')}, got '${written}'`)
  }
  return broker
}

function folderOf(written: string | undefined): string | null {
  if (written === '') throw new UsageError('--report: expected a folder')
  return written ?? null
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

function integer(flags: Flags, name: keyof Flags, bounds: Bounds): number | undefined {
  return readWholeNumber(name, flags[name], bounds)
}
