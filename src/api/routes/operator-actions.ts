import type { Clock } from '../../clock.ts'
import { recordAdminAction } from '../../db/admin-actions.ts'
import type { Database, Script } from '../../db/database.ts'
import type { ProblemCode } from '../http/problem.ts'
import type { Origin, RouteInput } from '../http/route.ts'

/** Where operators' actions are done and written down. */
export interface OperatorActions {
  /**
   * Runs what changes something in one transaction with the record of it, so that there is none
   * without the other.
   */
  perform<T>(action: Action, script: () => Script<T>, outcomeOf: (result: T) => Outcome): Promise<T>
}

/** What the route was asked for, and by whom. */
export type Action = Pick<RouteInput<unknown, unknown, unknown>, 'params' | 'body'> & {
  readonly origin: Origin
}

export type Outcome = 'done' | ProblemCode

export const done = (): Outcome => 'done'

export function createOperatorActions(options: {
  readonly database: Database
  readonly clock: Clock
}): OperatorActions {
  const { database, clock } = options
  return {
    perform({ params, body, origin }, script, outcomeOf) {
      const details = JSON.stringify({ params, body })
      return database.transaction(function* () {
        const result = yield* script()
        const outcome = outcomeOf(result)
        yield* recordAdminAction({ ...origin, details, outcome, createdAt: clock.now() })
        return result
      })
    },
  }
}
