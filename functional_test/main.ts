import { randomUUID } from 'node:crypto'
import { createBots, raceAndReturn } from './bots.ts'
import { createClient, type Client } from './client.ts'
import { askTheShop, type Evidence } from './evidence.ts'
import { emptyHistory, type History } from './history.ts'
import { judge, type Finding } from './invariants.ts'
import { readOptions, usage, UsageError, type Options } from './options.ts'
import { waitForStock, waitForUnpaidHolds } from './quiesce.ts'
import { findingLines, latencyTable, outcomeTable, verdictLine } from './report.ts'
import type { Bot, Run } from './run.ts'
import { createSale, findSale, type Sale } from './sale.ts'
import { startServer, type Exit } from './server-under-test.ts'
import { SetupError } from './setup-error.ts'
import { readStock, watchStock } from './stock-watch.ts'
import { now } from './time.ts'

/**
 * The flow of a run: server → sale → bots → race, shopping, coming back → quiet → the shop's own
 * answers → verdict. Black box: it knows the documented HTTP contract and nothing else.
 */

const exitCodes = { holds: 0, violated: 1, unusable: 2 } as const

/** Reading API A and B and the audit must be possible even when the run's time is up. */
const verdictMs = 60_000
/** With their second clicks well below the usual limit of open files. */
const lanesMax = 10_000

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2), process.env)
    if (options.kind === 'help') {
      print(usage)
      return exitCodes.holds
    }
    return await run(options)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usage}`)
    } else if (error instanceof SetupError) {
      console.error(error.message)
    } else {
      throw error
    }
    return exitCodes.unusable
  }
}

async function run(options: Options): Promise<number> {
  print(`seed ${options.seed} (repeat the personas with --seed ${options.seed})`)
  if (options.target.kind === 'host') {
    return conclude(await runAgainst(options, options.target.origin, options.target.adminToken))
  }
  print('starting the program, for a sale of its own')
  const server = await startServer(options.target.holdSeconds)
  try {
    const findings = await runAgainst(options, server.origin, server.adminToken)
    const exit = await server.stop()
    const code = conclude([...findings, stopFinding(exit)])
    if (code !== exitCodes.holds && exit.output !== '') print(`\nthe program said:\n${exit.output}`)
    return code
  } finally {
    await server.stop()
  }
}

async function runAgainst(
  options: Options,
  origin: string,
  adminToken: string,
): Promise<Finding[]> {
  const history = emptyHistory()
  const deadlineAt = now() + options.timeoutSeconds * 1000
  const shoppers = createClient({
    origin,
    deadlineAt,
    history,
    lanesMax,
  })
  const observer = createClient({
    origin,
    deadlineAt: deadlineAt + verdictMs,
    history,
    lanesMax: 1,
  })
  try {
    const { target } = options
    const sale =
      target.kind === 'host'
        ? await findSale(observer, target.flashSaleId, target.productId)
        : await createSale(observer, adminToken, target.stock)
    const bots = await createBots(observer, adminToken, { count: options.bots, seed: options.seed })
    const { flashSaleId, productId } = sale
    const run: Run = { shoppers, history, flashSaleId, productId, id: randomUUID().slice(0, 8) }
    const buyers = target.kind === 'host' ? 'others too' : 'bots only'
    const shown = await playOut(run, bots, { sale, observer, buyers })
    const answers = await askTheShop(observer, adminToken, productId)
    printTables(history)
    return judge({ ...shown, answers })
  } finally {
    await Promise.all([shoppers.close(), observer.close()])
  }
}

interface Scene {
  readonly sale: Sale
  readonly observer: Client
  readonly buyers: Evidence['buyers']
}

/** From the first click until the last abandoned hold has ended. */
async function playOut(
  run: Run,
  bots: readonly Bot[],
  { sale, observer, buyers }: Scene,
): Promise<Omit<Evidence, 'answers'>> {
  const start = await readStock(observer, run.productId)
  if (start === null) throw new SetupError(`API A shows no stock of product ${run.productId}`)
  const { allotment, available } = start
  print(
    `${bots.length} bots race for product ${run.productId} in sale ${run.flashSaleId} on ${observer.origin}: ${available} of ${allotment} units available`,
  )
  const watch = watchStock(observer, run.history, run.productId)
  const startedAt = now()
  const stage = (text: string): void => {
    print(`${((now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`)
  }
  try {
    await raceAndReturn(run, bots, {
      watch,
      onRaceSettled: () => {
        stage('everybody has an answer; winners shop, the refused come back when stock does')
      },
    })
    stage('the bots are done; waiting for abandoned holds to end')
    await waitForUnpaidHolds(run, bots, sale.clock.offsetMs)
    if (buyers === 'bots only') await waitForStock(run, watch)
    stage('quiet; asking API A, API B and the audit')
  } finally {
    await watch.stop()
  }
  return {
    bots: bots.length,
    userIds: new Set(bots.map((bot) => bot.userId)),
    productId: run.productId,
    buyers,
    start,
    history: run.history,
    clock: sale.clock,
  }
}

function stopFinding({ code, signal, when }: Exit): Finding {
  const how = code === null ? `killed by ${signal ?? 'nobody'}` : `exit code ${code}`
  return {
    id: 'stop',
    title: 'the program stops cleanly on SIGTERM',
    violations: code === 0 && when === 'when asked to' ? 0 : 1,
    measured: `${how}, ${when}`,
    examples: [],
  }
}

function printTables(history: History): void {
  print(`\n${outcomeTable(history)}\n\n${latencyTable(history)}\n`)
}

function conclude(findings: readonly Finding[]): number {
  print(`${findingLines(findings)}\n\n${verdictLine(findings)}`)
  return findings.every((finding) => finding.violations === 0)
    ? exitCodes.holds
    : exitCodes.violated
}

function print(text: string): void {
  console.log(text)
}

process.exitCode = await main()
