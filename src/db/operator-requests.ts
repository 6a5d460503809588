import { first, one, run, type Script } from './database.ts'

/** A request of an operator that came with an Idempotency-Key. */
export interface OperatorRequest {
  /** The name of the operator. */
  readonly operator: string
  /** Method and path in OpenAPI's form. */
  readonly route: string
  readonly idempotencyKey: string
  /** Counts the transactions of a request that takes several; 0 is the first. */
  readonly part: number
  /** Hex SHA-256 of the path parameters and the body. */
  readonly fingerprint: string
}

/** The answer of a request, as far as it is kept. */
export interface RecordedAnswer {
  readonly status: number
  readonly location: string | null
  /** JSON. */
  readonly body: string
}

export type Claim =
  | { readonly kind: 'new' }
  | { readonly kind: 'answered'; readonly answer: RecordedAnswer }
  | { readonly kind: 'other_request' }

const insertClaim = `
  insert into operator_requests (operator, route, idempotency_key, part, fingerprint, created_at)
  values (?, ?, ?, ?, ?, ?)
  on conflict (operator, route, idempotency_key, part) do nothing
  returning part`

const selectAnswer = `
  select fingerprint, status, location, body from operator_requests
  where operator = ? and route = ? and idempotency_key = ? and part = ?`

/**
 * Takes the key for this request. It comes first in the action's transaction: the unique key
 * decides which of two requests at the same time does the action, and the other one gets its
 * answer.
 */
export function* claimOperatorRequest(request: OperatorRequest, now: number): Script<Claim> {
  const key = keyOf(request)
  const claimed = yield* first(insertClaim, ...key, request.fingerprint, now)
  if (claimed !== undefined) return { kind: 'new' }
  const { fingerprint, ...answer } = yield* one<RecordedAnswer & { readonly fingerprint: string }>(
    selectAnswer,
    ...key,
  )
  return fingerprint === request.fingerprint
    ? { kind: 'answered', answer }
    : { kind: 'other_request' }
}

const updateAnswer = `
  update operator_requests set status = ?, location = ?, body = ?
  where operator = ? and route = ? and idempotency_key = ? and part = ? and status is null`

/** Writes the answer of a claimed request, in the same transaction. */
export function* answerOperatorRequest(
  request: OperatorRequest,
  { status, location, body }: RecordedAnswer,
): Script<void> {
  yield* run(updateAnswer, status, location, body, ...keyOf(request))
}

const deleteClaim = `
  delete from operator_requests
  where operator = ? and route = ? and idempotency_key = ? and part = ? and status is null`

/** Gives the key back: the action was refused and may be tried again with it. */
export function* releaseOperatorRequest(request: OperatorRequest): Script<void> {
  yield* run(deleteClaim, ...keyOf(request))
}

const keyOf = ({ operator, route, idempotencyKey, part }: OperatorRequest) =>
  [operator, route, idempotencyKey, part] as const

const forgetSql = `
  delete from operator_requests where (operator, route, idempotency_key, part) in (
    select operator, route, idempotency_key, part from operator_requests
    where created_at < ? order by created_at limit ?)`

/** Forgets the oldest requests from before a time (epoch ms), at most `limit` of them. */
export function* forgetOperatorRequests(before: number, limit: number): Script<void> {
  yield* run(forgetSql, before, limit)
}
