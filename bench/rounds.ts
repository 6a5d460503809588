import { runCell } from './cell.ts'
import { startLoadProcess } from './load-process.ts'
import type { Cell, Plan } from './plan.ts'
import type { CellResult, Run } from './result.ts'
import { runSoak, type SoakResult } from './soak.ts'
import { rateOf } from './statistics.ts'
import { number } from './table.ts'

export interface Outcome {
  readonly results: readonly CellResult[]
  readonly soaks: readonly SoakResult[]
}

type Lane = (run: Run) => Promise<void>

/** Runs all cells in turn, round by round, then the soaks. `say` gets a line when each ends. */
export async function runPlan(
  { cells, soaks }: Plan,
  run: Omit<Run, 'generator'>,
  say: (line: string) => void,
): Promise<Outcome> {
  const results: CellResult[] = []
  const soaked: SoakResult[] = []
  const tasks: Lane[] = []
  for (let round = 1; round <= run.scale.rounds; round++) {
    for (const cell of cells) {
      tasks.push(async (lane) => {
        const result = await runCell(cell, lane)
        results.push(result)
        say(progressLine(round, result))
      })
    }
  }
  for (const cell of soaks) {
    tasks.push(async (lane) => {
      const result = await runSoak(cell, lane)
      soaked.push(result)
      say([cell.id, ...failureLines(result.failures)].join('\n'))
    })
  }
  await inLanes(tasks, run)
  return { results, soaks: soaked }
}

/**
 * Runs the tasks in lanes. Each lane has its own generator and takes the next task when one is
 * done.
 */
async function inLanes(tasks: Lane[], run: Omit<Run, 'generator'>): Promise<void> {
  const lane = async (): Promise<void> => {
    const generator = startLoadProcess()
    try {
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
        await task({ ...run, generator })
      }
    } finally {
      generator.stop()
    }
  }
  await Promise.all(Array.from({ length: run.scale.lanes }, lane))
}

function progressLine(round: number, result: CellResult): string {
  const { cell, load, failures, cpuSeconds } = result
  const { p50, p99 } = load.latency
  const cpu = Object.entries(cpuSeconds).map(([name, seconds]) => `${name} ${number(seconds)}`)
  const line = [
    `${round}  ${cell.id.padEnd(26)} ${number(rateOf(result)).padStart(7)}/s`,
    `p50 ${number(p50)} ms  p99 ${number(p99)} ms`.padEnd(30),
    `CPU s: ${cpu.join(', ')}`,
  ].join('  ')
  return [line, ...failureLines(failures)].join('\n')
}

function failureLines(failures: readonly string[]): readonly string[] {
  return failures.map((failure) => `     FAILED: ${failure}`)
}

export function verdictOn({ results, soaks }: Outcome): string {
  const all: readonly { readonly cell: Cell; readonly failures: readonly string[] }[] = [
    ...results,
    ...soaks,
  ]
  const failed = all.filter(({ failures }) => failures.length > 0)
  if (failed.length === 0) return `VERDICT: all checks of ${all.length} cells passed`
  const ids = [...new Set(failed.map(({ cell }) => cell.id))].join(', ')
  return `VERDICT: checks FAILED in ${failed.length} of ${all.length} cells: ${ids}`
}

export function allPassed({ results, soaks }: Outcome): boolean {
  return [...results, ...soaks].every(({ failures }) => failures.length === 0)
}
