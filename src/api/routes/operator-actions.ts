import { createHash } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { recordAdminAction } from '../../db/admin-actions.ts'
import type { Database, Script } from '../../db/database.ts'
import {
  answerOperatorRequest,
  claimOperatorRequest,
  releaseOperatorRequest,
  type OperatorRequest,
  type RecordedAnswer,
} from '../../db/operator-requests.ts'
import { problem, type ProblemCode, type Reply } from '../http/problem.ts'
import type { RouteInput } from '../http/route.ts'

/**
 * Does what operators ask for. One transaction holds the action, its row in `admin_actions` and, for a
 * request with an Idempotency-Key, the answer that a repeated request gets.
 */
export interface OperatorActions {
  /**
   * Runs `script` and makes the answer of its result, both inside the transaction. A repeated request runs
   * neither: it gets the recorded answer, with `Idempotency-Replayed: true`. The key with another body or
   * other path parameters is refused with `idempotency_key_reused`. A refused action is not remembered:
   * nothing was done, and the same key may try again.
   */
  perform<T>(
    action: Action,
    script: () => Script<T>,
    answer: (result: T) => ActionAnswer,
  ): Promise<ActionAnswer>
}

/** The request of an operator. */
export type Action = Pick<
  RouteInput<unknown, unknown, unknown>,
  'params' | 'body' | 'idempotencyKey' | 'origin'
> & {
  /** Given when the request takes several transactions: each is a part with a record of its own. */
  readonly part?: ActionPart
}

export interface ActionPart {
  /** 0 is the first. */
  readonly index: number
  /** Stands in the record in place of the body. */
  readonly recorded: Readonly<Record<string, unknown>>
}

export interface ActionAnswer {
  /** `done`, or the code of the problem that the action was refused with. */
  readonly outcome: 'done' | ProblemCode
  /** A JSON answer; a repeated request gets its status, its location and its body. */
  readonly reply: Reply
  /** True when the action was done by an earlier request. */
  readonly isReplayed: boolean
}

export const done = (reply: Reply): ActionAnswer => ({ outcome: 'done', reply, isReplayed: false })

export const refused = (code: ProblemCode, detail?: string): ActionAnswer => ({
  outcome: code,
  reply: problem(code, detail),
  isReplayed: false,
})

/** The operator whose token is `ADMIN_TOKEN`. */
const operator = 'admin'

export function createOperatorActions(options: {
  readonly database: Database
  readonly clock: Clock
}): OperatorActions {
  const { database, clock } = options

  function* record({ params, body, part, origin }: Action, { outcome }: ActionAnswer) {
    const details = JSON.stringify({ params, body: part?.recorded ?? body })
    yield* recordAdminAction({ ...origin, details, outcome, createdAt: clock.now() })
  }

  function* once(request: OperatorRequest, act: () => Script<ActionAnswer>): Script<ActionAnswer> {
    const claim = yield* claimOperatorRequest(request, clock.now())
    if (claim.kind === 'answered') return replayed(claim.answer)
    if (claim.kind === 'other_request') return refused('idempotency_key_reused')
    const answer = yield* act()
    if (answer.outcome === 'done') {
      yield* answerOperatorRequest(request, recordedAnswer(answer.reply))
    } else {
      yield* releaseOperatorRequest(request)
    }
    return answer
  }

  return {
    perform(action, script, answer) {
      const request = requestOf(action)
      return database.transaction(function* () {
        const act = function* () {
          return answer(yield* script())
        }
        const answered = yield* request === undefined ? act() : once(request, act)
        if (!answered.isReplayed) yield* record(action, answered)
        return answered
      })
    },
  }
}

function requestOf({ params, body, part, idempotencyKey, origin }: Action) {
  if (idempotencyKey === undefined) return undefined
  const fingerprint = createHash('sha256').update(canonical({ params, body })).digest('hex')
  return { operator, route: origin.route, idempotencyKey, part: part?.index ?? 0, fingerprint }
}

/** JSON with the members of every object in order: their order says nothing about a request. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function recordedAnswer({ status, headers, body }: Reply): RecordedAnswer {
  return { status, location: headers['location'] ?? null, body: JSON.stringify(body) }
}

function replayed({ status, location, body }: RecordedAnswer): ActionAnswer {
  const headers = {
    'idempotency-replayed': 'true',
    ...(location !== null && { location }),
  }
  return {
    outcome: 'done',
    reply: { status, headers, body: JSON.parse(body) as unknown },
    isReplayed: true,
  }
}
