import { setTimeout as pause } from 'node:timers/promises'
import type { Contender } from './contender.ts'
import { crossCheck } from './cross-check.ts'
import { failuresOf } from './failures.ts'
import { jobOf, saleShapeOf } from './job-of.ts'
import type { LoadProcess } from './load-process.ts'
import type { Job } from './load/job.ts'
import { databaseWork, pendingReplies } from './operator.ts'
import type { Cell } from './plan.ts'
import { readCpuSeconds, readPeakMemoryMb } from './processes.ts'
import type { CellResult, DatabaseWork, Run } from './result.ts'
import { withRunningContender } from './running-contender.ts'

/** Runs one cell, from a fresh database to stopped processes. */
export async function runCell(cell: Cell, run: Run): Promise<CellResult> {
  const setting = { cell, run, shape: saleShapeOf(cell, run.scale), inspected: 'no' } as const
  const { result, endings } = await withRunningContender(
    setting,
    async ({ contender, sale, databasePath }) => {
      const { generator } = run
      const job = jobOf(cell, { ...run, sale, origins: contender.origins })
      const measured = await measure({ cell, contender, generator, job })
      const failures = await failuresOf({ cell, run, contender, databasePath, ...measured })
      const isSoldOut = cell.workload === 'sold-out'
      const disagreements = isSoldOut ? await crossCheck(contender, sale, run) : []
      return { cell, ...measured, failures: [...failures, ...disagreements] }
    },
  )
  return { ...result, failures: [...result.failures, ...endings] }
}

interface Measurement {
  readonly cell: Cell
  readonly contender: Contender
  readonly generator: LoadProcess
  readonly job: Job
}

async function measure({ cell, contender, generator, job }: Measurement) {
  await generator.prepare(job)
  const { admin } = contender
  const processes = [...contender.processes, { name: 'generator', pid: generator.pid }]
  const cpuAtEdges: number[][] = []
  const workAtEdges: Promise<DatabaseWork | undefined>[] = []
  if (cell.workload === 'waiting') contender.worker?.signal('SIGSTOP')
  const going = generator.go(() => {
    cpuAtEdges.push(processes.map(({ pid }) => readCpuSeconds(pid)))
    // Reading the metrics costs the servers some milliseconds, so only where the answer is wanted.
    if (cell.workload === 'sold-out' && admin) workAtEdges.push(databaseWork(admin))
  })
  const waitedAtOnce = cell.workload === 'waiting' ? await letThemWait(cell, contender) : undefined
  const load = await going
  const [before = [], after = []] = cpuAtEdges
  const cpuSeconds = sumByName(processes, (_, index) => (after[index] ?? 0) - (before[index] ?? 0))
  const peakMemoryMb = sumByName(contender.processes, ({ pid }) => readPeakMemoryMb(pid))
  const worked = difference(await Promise.all(workAtEdges))
  return { load, cpuSeconds, peakMemoryMb, waitedAtOnce, databaseWork: worked }
}

function difference([before, after]: readonly (DatabaseWork | undefined)[]):
  DatabaseWork | undefined {
  if (after === undefined || before === undefined) return undefined
  // A counter that does not exist before its first event.
  const begun = before.unit === after.unit ? before.count : 0
  return { unit: after.unit, count: after.count - begun }
}

const allWaitWithinMs = 30_000
/** Reading the metrics costs the API process some milliseconds. */
const lookEveryMs = 200

/** Waits until all requests are held open and returns the largest number seen. */
async function letThemWait(cell: Cell, { admin, worker }: Contender): Promise<number> {
  if (admin === undefined || worker === undefined) throw new Error('only nsq can be made to wait')
  const deadline = performance.now() + allWaitWithinMs
  let most = 0
  try {
    while (most < cell.connections && performance.now() < deadline) {
      most = Math.max(most, await pendingReplies(admin))
      await pause(lookEveryMs)
    }
  } finally {
    worker.signal('SIGCONT')
  }
  return most
}

/** Several API nodes count together. */
function sumByName<T extends { readonly name: string }>(
  processes: readonly T[],
  read: (process: T, index: number) => number,
): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [index, each] of processes.entries()) {
    sums[each.name] = (sums[each.name] ?? 0) + read(each, index)
  }
  return sums
}
