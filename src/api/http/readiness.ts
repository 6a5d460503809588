/** Whether traffic should come here, and what is in the way. */
export interface Readiness {
  check(): Promise<ReadinessReport>
  /** From now on the answer is no: the process is about to stop. */
  drain(): void
}

export interface ReadinessReport {
  readonly ready: boolean
  /** `ok` or what is wrong, by dependency. */
  readonly checks: Readonly<Record<string, string>>
}

/** A check resolves with `ok` or says what is wrong; throwing says it too. */
export type ReadinessCheck = () => Promise<string> | string

export function createReadiness(checks: Readonly<Record<string, ReadinessCheck>>): Readiness {
  let draining = false

  async function check(): Promise<ReadinessReport> {
    const results: Record<string, string> = {}
    for (const [name, run] of Object.entries(checks)) results[name] = await outcome(run)
    if (draining) results['draining'] = 'this node is shutting down'
    return { ready: Object.values(results).every((result) => result === 'ok'), checks: results }
  }

  return {
    check,
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
