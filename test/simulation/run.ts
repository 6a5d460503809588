import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testId } from '../support/database-fixture.ts'
import { createMemoryFolder } from '../support/temporary-folder.ts'
import { createRandom } from '../support/random.ts'
import { emptyDatabase } from './empty-database.ts'
import { noFaults, planOf, type Faults, type Plan } from './plan.ts'
import { createSchedule } from './schedule.ts'
import { play, type Tally } from './scenario.ts'
import { createTrace } from './trace.ts'
import type { Violation } from './violation.ts'
import { openObserver } from './observer.ts'
import type { World } from './world.ts'

export interface RunResult {
  readonly seed: number
  /** The hash of the trace: the same seed gives the same hash. */
  readonly hash: string
  readonly steps: number
  readonly simulatedMs: number
  /** The violations found; empty when everything held. The run ends with the first. */
  readonly violations: readonly Violation[]
  readonly lastSteps: readonly string[]
  readonly tally: Tally | undefined
  /** The kinds of events that happened in the run. */
  readonly happened: ReadonlySet<string>
}

/** Plays the run of this seed. `print` receives every step. */
export async function simulate(seed: number, print?: (line: string) => void): Promise<RunResult> {
  const folder = createMemoryFolder()
  const databasePath = join(folder.path, 'holdfast.db')
  writeFileSync(databasePath, await emptyDatabase())
  const violations: Violation[] = []
  const { world, schedule } = createWorld({ seed, databasePath, violations, print })
  const onRejection = (reason: unknown): void => {
    world.violate({ invariant: 'I23', what: `unhandled: ${String(reason)}` })
  }
  process.on('unhandledRejection', onRejection)
  try {
    const paths = { databasePath, ledgerPath: join(folder.path, 'ledger.db') }
    const tally = await schedule.run(
      () => play(world, paths),
      () => violations.length > 0,
    )
    return resultOf(world, violations, tally)
  } catch (error) {
    // A thrown error becomes a violation, so that the report names the seed.
    world.violate({ invariant: 'run', what: describe(error) })
    return resultOf(world, violations, undefined)
  } finally {
    process.off('unhandledRejection', onRejection)
    world.observer.close()
    folder.remove()
  }
}

interface Made {
  readonly seed: number
  readonly databasePath: string
  readonly violations: Violation[]
  readonly print: ((line: string) => void) | undefined
}

function createWorld({ seed, databasePath, violations, print }: Made) {
  const plan = planOf(seed)
  const random = createRandom(seed)
  let faults: Faults = noFaults
  let crashes: Plan['crashes'] = {}
  let ids = 0
  const schedule = createSchedule({
    random,
    lagRate: () => faults.lag,
    onThrow(lane, error) {
      world.violate({ invariant: 'I23', what: `${lane} threw: ${describe(error)}` })
    },
  })
  const trace = createTrace(() => schedule.clock.now(), print)
  const violate = (violation: Violation): void => {
    trace.note(`VIOLATED ${violation.invariant}: ${violation.what}`)
    violations.push(violation)
  }
  const world: World = {
    plan,
    random,
    trace,
    violate,
    schedule,
    clock: schedule.clock,
    observer: openObserver(databasePath, violate),
    newId: () => testId((ids += 1)),
    outside: schedule.lane('outside'),
    happened: new Set(),
    faults: () => faults,
    hits(fault) {
      const isHit = faults[fault] > 0 && random() < faults[fault]
      if (isHit) world.happened.add(fault)
      return isHit
    },
    crashes: () => crashes,
    setStorm(storm) {
      faults = storm === 'on' ? plan.faults : noFaults
      crashes = storm === 'on' ? plan.crashes : {}
    },
  }
  return { world, schedule }
}

function resultOf(
  { plan, trace, clock, happened }: World,
  violations: readonly Violation[],
  tally: Tally | undefined,
): RunResult {
  return {
    seed: plan.seed,
    hash: trace.hash(),
    steps: trace.steps(),
    simulatedMs: clock.monotonic(),
    violations,
    lastSteps: trace.last(),
    tally,
    happened,
  }
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
