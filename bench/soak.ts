import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from './contender.ts'
import type { LoadProcess } from './load-process.ts'
import type { LoadResult, SoakJob } from './load/job.ts'
import { auditFailures, restock } from './operator.ts'
import type { Cell } from './plan.ts'
import type { Run } from './result.ts'
import { countRows } from './sale-database.ts'
import { judgeSoak, type Remains } from './soak-judgement.ts'
import { withRunningContender, type RunningContender } from './running-contender.ts'
import { readVitals, readVitalsAtRest, type Vitals } from './vitals.ts'

/**
 * The result of a long storm (F22 and I23 of docs/guarantees.md): holds that are paid, put back or
 * expire, refusals, crowds that ask and vanish. A first storm fills the caches and warms the
 * compiler; then the processes are measured at rest, before and after the real storm.
 */
export interface SoakResult {
  readonly cell: Cell
  readonly storm: LoadResult
  /** The same light load before and after. */
  readonly calmBefore: LoadResult
  readonly calmAfter: LoadResult
  readonly remains: readonly Remains[]
  readonly failures: readonly string[]
}

export async function runSoak(cell: Cell, run: Run): Promise<SoakResult> {
  const { units, holdSeconds } = run.scale.soak
  const shape = { products: cell.products, stock: units, holdSeconds }
  const setting = { cell, run, shape, inspected: 'yes' } as const
  const { result, endings } = await withRunningContender(setting, (running) =>
    runStorms(cell, run, running),
  )
  return { ...result, failures: [...result.failures, ...endings] }
}

/** The length of the first storm, which only warms up, as a share of the real one. */
const warmUpShare = 0.25

async function runStorms(cell: Cell, run: Run, running: RunningContender): Promise<SoakResult> {
  const { contender, sale, databasePath } = running
  const { soak } = run.scale
  const { storm: stormJob, calm: calmJob } = jobsOf(run, running)
  const operator = keepInStock(contender, sale.productIds, soak.units)
  try {
    const warmUp = await go(run.generator, {
      ...stormJob,
      seconds: stormJob.seconds * warmUpShare,
    })
    // This first reading resets values that count since the previous one.
    await readVitals(contender.processes)
    const calmBefore = await go(run.generator, calmJob)
    const before = await atRest(contender)
    const { result: storm, readings: during } = await watched(run, contender, stormJob)
    const calmAfter = await go(run.generator, calmJob)
    const after = await atRest(contender)
    const loads = [warmUp, calmBefore, storm, calmAfter]
    const remains = judgeSoak({ before, during, after })
    const failures = await failuresOf({ contender, databasePath, loads, remains })
    return { cell, storm, calmBefore, calmAfter, remains, failures }
  } finally {
    await operator.stop()
  }
}

function jobsOf({ scale, shoppers }: Run, { contender, sale }: RunningContender) {
  const { connections, seconds, calmConnections, calmSeconds, crowds, thinkMs } = scale.soak
  const { tokensPath } = shoppers
  const job = {
    kind: 'soak' as const,
    thinkMs,
    origins: contender.origins,
    tokensPath,
    ...sale,
    shoppers: scale.shoppers,
    visitors: scale.returning,
  }
  const storm: SoakJob = { ...job, connections, seconds, crowds }
  const calm: SoakJob = { ...job, connections: calmConnections, seconds: calmSeconds, crowds: [] }
  return { storm, calm }
}

async function go(generator: LoadProcess, job: SoakJob): Promise<LoadResult> {
  await generator.prepare(job)
  return generator.go(() => undefined)
}

/** The server still cleans up connections that were closed a moment ago. */
const settleMs = 1_000

async function atRest({ processes }: Contender): Promise<readonly Vitals[]> {
  await pause(settleMs)
  return readVitalsAtRest(processes)
}

async function watched({ generator, scale }: Run, { processes }: Contender, job: SoakJob) {
  const readings: (readonly Vitals[])[] = []
  const watching = new AbortController()
  const watch = async (): Promise<void> => {
    while (!watching.signal.aborted) {
      readings.push(await readVitals(processes))
      await pause(scale.soak.lookEveryMs)
    }
  }
  const [result] = await Promise.all([
    go(generator, job).finally(() => {
      watching.abort()
    }),
    watch(),
  ])
  return { result, readings }
}

const restockEveryMs = 500

/** Adds stock for paid units, as an operator would, so that there is always something to sell. */
function keepInStock({ admin }: Contender, productIds: readonly number[], units: number) {
  const closing = new AbortController()
  const filling = (async () => {
    while (admin !== undefined && !closing.signal.aborted) {
      for (const productId of productIds) await restock(admin, productId, units)
      await pause(restockEveryMs)
    }
  })()
  // The caller gets the failure when it awaits the stop.
  filling.catch(() => undefined)
  return {
    async stop(): Promise<void> {
      closing.abort()
      await filling
    },
  }
}

interface Evidence {
  readonly contender: Contender
  readonly databasePath: string
  readonly loads: readonly LoadResult[]
  readonly remains: readonly Remains[]
}

async function failuresOf(evidence: Evidence): Promise<readonly string[]> {
  const { contender, databasePath, loads, remains } = evidence
  const grown = remains
    .filter(({ within }) => !within)
    .map(
      ({ process, what, before, after }) => `${process}: ${what} grew from ${before} to ${after}`,
    )
  const told = loads.reduce((sum, { paying }) => sum + (paying?.paid ?? 0), 0)
  const { paidInvoices } = countRows(databasePath)
  const lost = paidInvoices < told ? [`${told} were told they paid, ${paidInvoices} have`] : []
  const audit = contender.admin === undefined ? [] : await auditFailures(contender.admin)
  return [...loads.flatMap(({ faults }) => faults), ...grown, ...lost, ...audit]
}
