import type { Refusal } from '../../domain/refusal.ts'
import type { Reservation } from '../../domain/reservation.ts'
import { all, first, run, type Script } from '../database.ts'

/**
 * An add-to-cart request that was answered 202. It is kept so that every node can tell its outcome.
 */
export interface UnansweredRequest {
  readonly requestId: string
  readonly userId: number
  readonly idempotencyKey: string
  /** The time in its message, epoch ms. */
  readonly sentAt: number
}

const insertRequest = `
  insert into add_to_cart_requests (request_id, user_id, idempotency_key, refusal, created_at)
  values (?, ?, ?, null, ?)
  on conflict (request_id) do nothing`

export function* recordUnanswered(requests: readonly UnansweredRequest[]): Script<void> {
  for (const { requestId, userId, idempotencyKey, sentAt } of requests) {
    yield* run(insertRequest, requestId, userId, idempotencyKey, sentAt)
  }
}

const updateRefusal = `
  update add_to_cart_requests set refusal = ?
  where request_id = ? and refusal is null
    and not exists (
      select 1 from reservations r
      where r.user_id = add_to_cart_requests.user_id
        and r.idempotency_key = add_to_cart_requests.idempotency_key)`

/** Records refusals that came after the 202. The first outcome stands. */
export function* recordLateRefusals(
  refusals: readonly { readonly requestId: string; readonly refusal: Refusal }[],
): Script<void> {
  for (const { requestId, refusal } of refusals) yield* run(updateRefusal, refusal, requestId)
}

export type RequestStatus =
  | { readonly kind: 'held'; readonly reservation: Reservation }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'pending'; readonly sentAt: number }

const reservationColumns = `
  id, product_id as "productId", quantity, unit_price_minor as "unitPriceMinor", currency, status,
  expires_at as "expiresAt"`
const selectById = `select ${reservationColumns} from reservations where id = ? and user_id = ?`
const selectByKey = `
  select ${reservationColumns} from reservations where user_id = ? and idempotency_key = ?`
const selectRequest = `
  select idempotency_key as "idempotencyKey", refusal, created_at as "sentAt"
  from add_to_cart_requests
  where request_id = ? and user_id = ?`

/** Reads the status of the user's own request; undefined when it is unknown. */
export function* readRequestStatus(
  userId: number,
  requestId: string,
): Script<RequestStatus | undefined> {
  const reservation = yield* first<Reservation>(selectById, requestId, userId)
  if (reservation !== undefined) return { kind: 'held', reservation }
  const request = yield* first<{ idempotencyKey: string; refusal: Refusal | null; sentAt: number }>(
    selectRequest,
    requestId,
    userId,
  )
  if (request === undefined) return undefined
  const { idempotencyKey, refusal, sentAt } = request
  if (refusal !== null) return { kind: 'refused', refusal }
  // A repetition gets the hold of the first request with its key.
  const earlier = yield* first<Reservation>(selectByKey, userId, idempotencyKey)
  return earlier === undefined
    ? { kind: 'pending', sentAt }
    : { kind: 'held', reservation: earlier }
}

const deleteOld = `
  delete from add_to_cart_requests where request_id in (
    select request_id from add_to_cart_requests where created_at <= ? order by created_at limit ?)
  returning request_id`

/** Forgets requests older than `before` (epoch ms), at most `limit`. Returns how many. */
export function* forgetRequests(before: number, limit: number): Script<number> {
  return (yield* all(deleteOld, before, limit)).length
}
