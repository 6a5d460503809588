/** Tells whether the process is ready for traffic, and the reason if it is not. */
export interface Readiness {
  check(): Promise<ReadinessReport>
  /** Makes the process not ready for good, because it is about to stop. */
  drain(): void
  /** Says that every service has started. */
  markStarted(): void
  isStarted(): boolean
}

export interface ReadinessReport {
  readonly ready: boolean
  /** The result of each check: `ok` or the reason. */
  readonly checks: Readonly<Record<string, string>>
  /** Warnings that do not make the process unready, by name; absent when there are none. */
  readonly warnings?: Readonly<Record<string, string>>
}

/** A check returns `ok` or a reason; a thrown error counts as a reason. */
export type ReadinessCheck = () => Promise<string> | string

export function createReadiness(
  checks: Readonly<Record<string, ReadinessCheck>>,
  warnings: Readonly<Record<string, ReadinessCheck>> = {},
): Readiness {
  let draining = false
  let started = false

  async function check(): Promise<ReadinessReport> {
    const results: Record<string, string> = {}
    for (const [name, run] of Object.entries(checks)) results[name] = await outcome(run)
    if (draining) results['draining'] = 'this node is shutting down'
    const ready = Object.values(results).every((result) => result === 'ok')
    const warned: Record<string, string> = {}
    for (const [name, run] of Object.entries(warnings)) {
      const result = await outcome(run)
      if (result !== 'ok') warned[name] = result
    }
    const isWarned = Object.keys(warned).length > 0
    return { ready, checks: results, ...(isWarned && { warnings: warned }) }
  }

  return {
    check,
    isStarted: () => started,
    markStarted: () => {
      started = true
    },
    drain: () => {
      draining = true
    },
  }
}

async function outcome(run: ReadinessCheck): Promise<string> {
  try {
    return await run()
  } catch (error) {
    return error instanceof Error ? error.message : 'failed'
  }
}
