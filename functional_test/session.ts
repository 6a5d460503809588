import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { arrive } from './arrival.ts'
import { createBots } from './bots.ts'
import type { Exit } from './holdfast-process.ts'
import { createClient, type Client } from './client.ts'
import { Crowd } from './crowd.ts'
import { askTheShop, type Evidence } from './evidence.ts'
import { emptyHistory } from './history.ts'
import { judge } from './invariants.ts'
import type { Finding } from './judgement.ts'
import { watchMemory, type Watched } from './memory.ts'
import { openFilesOf, ownOpenFiles, requireOpenFiles } from './open-files.ts'
import type { Options } from './options.ts'
import { startProgram, type Program } from './program.ts'
import { mediumOf, showProgress, type Progress } from './progress.ts'
import { lastHoldEndsAt, lookAgain, waitForStock, waitForUnpaidHolds } from './quiesce.ts'
import { raceAndReturn, struggleMs } from './race.ts'
import type { Bot, Run } from './run.ts'
import { createSale, findSale, type Sale } from './sale.ts'
import { SetupError } from './setup-error.ts'
import { readStock, watchStock } from './stock-watch.ts'
import { summarize, type Moments, type Summary } from './summary.ts'
import { now } from './time.ts'

/**
 * The flow of a run: program → sale → bots → arrival → race, struggle → quiet → the shop's own
 * answers → verdict.
 */

/** Reading API A, API B and the audit may take this long after the time of the run is over. */
const verdictMs = 60_000

export interface Result {
  readonly summary: Summary
  /** The last part of the started program's output. */
  readonly output: string
}

type Print = (line: string) => void

/**
 * Plays a whole run.
 * @throws SetupError when the run cannot begin.
 */
export async function runOn(options: Options, print: Print): Promise<Result> {
  requireOpenFiles('this program', ownOpenFiles(), options.bots)
  const { target } = options
  if (target.kind === 'host') {
    const shop = { origins: [target.origin], adminToken: target.adminToken, processes: [] }
    return { summary: await runAgainst(options, shop, print), output: '' }
  }
  print(`starting the program (${target.broker}), for a sale of its own`)
  const program = await startProgram(target)
  try {
    for (const { pid, metricsOrigin } of program.processes) {
      const servesBots = program.origins.some((origin) => origin === metricsOrigin)
      const bots = servesBots ? Math.ceil(options.bots / target.apiNodes) : 0
      requireOpenFiles('the started program', openFilesOf(pid), bots)
    }
    const summary = await runAgainst(options, program, print)
    const exits = await program.stop()
    const findings = [...summary.findings, ...exits.map(stopFinding)]
    return { summary: { ...summary, findings }, output: outputOf(exits) }
  } finally {
    await program.stop()
  }
}

type Shop = Pick<Program, 'origins' | 'adminToken' | 'processes'>

async function runAgainst(options: Options, shop: Shop, print: Print): Promise<Summary> {
  const { origins, adminToken } = shop
  const startedAt = new Date()
  const history = emptyHistory()
  const deadlineAt = now() + options.timeoutSeconds * 1000
  const shoppers = createClient({ origins, deadlineAt, history })
  const observer = createClient({ origins, deadlineAt: deadlineAt + verdictMs, history })
  const crowd = new Crowd(options.bots)
  const memory = watchMemory(watchedProcesses(shop))
  const medium = mediumOf(process.stdout, process.env)
  const progress = showProgress(medium, print, { crowd, history })
  try {
    const sale = await prepareSale(options, observer, adminToken)
    progress.phase('making the bots')
    const bots = await createBots(observer, adminToken, { count: options.bots, seed: options.seed })
    const { flashSaleId, productId } = sale
    const run: Run = {
      shoppers,
      history,
      crowd,
      flashSaleId,
      productId,
      id: randomUUID().slice(0, 8),
    }
    const buyers = options.target.kind === 'host' ? 'others too' : 'bots only'
    const { moments, ...shown } = await runPhases(run, bots, { sale, observer, buyers, progress })
    const answers = await askTheShop(observer, adminToken, productId)
    progress.stop()
    return summarize({
      evidence: { ...shown, answers },
      findings: judge({ ...shown, answers }),
      moments,
      memory: await memory.stop(),
      about: {
        startedAt: startedAt.toISOString(),
        seed: options.seed,
        shop: shopName(options),
        machine: `${availableParallelism()} cores, ${process.platform}, Node ${process.versions.node}`,
      },
    })
  } finally {
    progress.stop()
    await Promise.all([memory.stop(), shoppers.close(), observer.close()])
  }
}

function prepareSale({ target }: Options, observer: Client, adminToken: string): Promise<Sale> {
  switch (target.kind) {
    case 'host':
      return findSale(observer, target.flashSaleId, target.productId)
    case 'own program':
      return createSale(observer, adminToken, target.stock)
  }
}

function watchedProcesses({ origins, processes }: Shop): Watched[] {
  if (processes.length > 0) {
    return processes.map(({ name, pid, metricsOrigin }) => ({ name, pid, metricsOrigin }))
  }
  return origins.map((origin) => ({ name: 'host', pid: null, metricsOrigin: origin }))
}

function shopName({ target }: Options): string {
  switch (target.kind) {
    case 'host':
      return new URL(target.origin).host
    case 'own program': {
      const { broker, apiNodes, holdSeconds } = target
      const nodes = broker === 'nsq' ? `, ${apiNodes} API ${apiNodes === 1 ? 'node' : 'nodes'}` : ''
      return `own program, ${broker}${nodes}, holds of ${holdSeconds} s`
    }
  }
}

interface RunContext {
  readonly sale: Sale
  readonly observer: Client
  readonly buyers: Evidence['buyers']
  readonly progress: Progress
}

/** From the first connection until the last abandoned hold has ended. */
async function runPhases(
  run: Run,
  bots: readonly Bot[],
  { sale, observer, buyers, progress }: RunContext,
): Promise<Omit<Evidence, 'answers'> & { readonly moments: Moments }> {
  const start = await readStock(observer, run.productId)
  if (start === null) throw new SetupError(`API A shows no stock of product ${run.productId}`)
  const { allotment, available } = start
  progress.say(
    `${bots.length} bots for product ${run.productId} in sale ${run.flashSaleId} on ${observer.origin}: ${available} of ${allotment} units available`,
  )
  const arrivalAt = now()
  const enter = (phase: string, endsAt?: number): void => {
    const most = endsAt === undefined ? '' : `, ${Math.ceil((endsAt - now()) / 1_000)} s at most`
    progress.say(`${((now() - arrivalAt) / 1000).toFixed(1).padStart(7)} s  ${phase}${most}`)
    progress.phase(phase, endsAt)
  }
  enter('everybody connects and looks at the sale')
  await arrive(run, bots)
  const watch = watchStock(observer, run.history, run.productId)
  const raceAt = now()
  let raceSettledAt = raceAt
  try {
    enter('the race: everybody adds to cart in the same second')
    await raceAndReturn(run, bots, {
      watch,
      onRaceSettled: () => {
        raceSettledAt = now()
        const phase = 'everybody has an answer; winners shop, the refused come back'
        enter(phase, raceAt + struggleMs)
      },
    })
    const phase = 'the bots are done; waiting for abandoned holds to end'
    enter(phase, lastHoldEndsAt(run.history, sale.clock.offsetMs))
    await waitForUnpaidHolds(run, bots, sale.clock.offsetMs)
    if (buyers === 'bots only') await waitForStock(run, watch)
    enter('quiet; everybody looks into the cart a last time')
    await lookAgain(run, bots)
    enter('asking API A, API B and the audit')
  } finally {
    await watch.stop()
  }
  return {
    bots: bots.length,
    botOf: new Map(bots.map((bot) => [bot.userId, bot.index])),
    productId: run.productId,
    buyers,
    start,
    history: run.history,
    clock: sale.clock,
    moments: { arrivalAt, raceAt, raceSettledAt, endAt: now() },
  }
}

function stopFinding({ name, code, signal, when }: Exit): Finding {
  const how = code === null ? `killed by ${signal ?? 'nobody'}` : `exit code ${code}`
  return {
    id: 'stop',
    title: `${name === 'program' ? 'the program' : name} stops cleanly on SIGTERM`,
    violations: code === 0 && when === 'when asked to' ? 0 : 1,
    measured: `${how}, ${when}`,
    examples: [],
  }
}

function outputOf(exits: readonly Exit[]): string {
  return exits
    .filter(({ output }) => output !== '')
    .map(({ name, output }) => `[${name}]\n${output}`)
    .join('\n')
}
