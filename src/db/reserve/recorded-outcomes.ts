import type { Refusal } from '../../domain/refusal.ts'
import {
  refused,
  type AddToCartOutcome,
  type KeyedWish,
  type Reservation,
  type ReserveRequest,
  type Wish,
} from '../../domain/reservation.ts'
import { all, padded, placeholders, run, type Script } from '../database.ts'

/**
 * A recorded hold. This file finds recorded outcomes, holds by their key and refusals by their
 * request, so that a repetition gets the same outcome. Nothing here takes stock.
 */
interface RecordedHold {
  readonly reservation: Reservation
  readonly userUid: string
  readonly idempotencyKey: string
  readonly flashSaleId: number
}

export interface Recorded {
  readonly holds: Map<string, RecordedHold>
  readonly refusals: Map<string, Refusal>
}

/** The hold is found by the uid, because a restored copy may give the number to another user. */
const keyOf = (shopper: { readonly userUid: string; readonly idempotencyKey: string }): string =>
  `${shopper.userUid}/${shopper.idempotencyKey}`

export function* readRecorded(requests: readonly ReserveRequest[]): Script<Recorded> {
  const holds = yield* findHolds(requests)
  const refusals = yield* all<{ requestId: string; refusal: Refusal }>(
    selectRefusals(requests.length),
    ...padded(requests.map(({ requestId }) => requestId)),
  )
  return {
    holds: new Map(holds.map((hold) => [keyOf(hold), hold])),
    refusals: new Map(refusals.map(({ requestId, refusal }) => [requestId, refusal])),
  }
}

const selectRefusals = (count: number) => `
  select request_id as "requestId", refusal
  from add_to_cart_requests
  where refusal is not null and request_id in (${placeholders(count)})`

const reservationColumns = `
  r.id, u.uid as "userUid", idempotency_key as "idempotencyKey", flash_sale_id as "flashSaleId",
  product_id as "productId", quantity, unit_price_minor as "unitPriceMinor", currency,
  expires_at as "expiresAt"`

const selectHolds = (count: number) => `
  select ${reservationColumns}
  from reservations r join users u on u.id = r.user_id
  where (user_id, idempotency_key) in (values ${placeholders(count, '(?, ?)')})`

type HoldRow = Omit<Reservation, 'status'> & Omit<RecordedHold, 'reservation'>

function* findHolds(
  keys: readonly { readonly userId: number; readonly idempotencyKey: string }[],
): Script<readonly RecordedHold[]> {
  const values = keys.flatMap(({ userId, idempotencyKey }) => [userId, idempotencyKey])
  const rows = yield* all<HoldRow>(selectHolds(keys.length), ...padded(values, 2))
  return rows.map(({ userUid, idempotencyKey, flashSaleId, ...reservation }) => ({
    userUid,
    idempotencyKey,
    flashSaleId,
    // The hold is shown as it was first told, so that the same key gets the same answer although it
    // may have ended.
    reservation: { ...reservation, status: 'held' },
  }))
}

/** Returns the recorded outcome, or the refusal of a request that may not take stock. */
export function* settledBefore(
  request: ReserveRequest,
  recorded: Recorded,
  now: number,
): Script<AddToCartOutcome | undefined> {
  const hold = recallHold(request, recorded)
  if (hold !== undefined) return hold
  const refusal = recorded.refusals.get(request.requestId) ?? request.refuseUnlessRecorded
  if (refusal === undefined) return undefined
  if (refusal === 'too_late') {
    yield* recordRefusal(request, refusal, now)
    recorded.refusals.set(request.requestId, refusal)
  }
  return refused(refusal)
}

function recallHold(request: ReserveRequest, recorded: Recorded): AddToCartOutcome | undefined {
  const hold = recorded.holds.get(keyOf(request))
  return hold === undefined ? undefined : repeatHold(hold, request)
}

function repeatHold(hold: RecordedHold, request: Wish): AddToCartOutcome {
  const same =
    hold.flashSaleId === request.flashSaleId &&
    hold.reservation.productId === request.productId &&
    hold.reservation.quantity === request.quantity
  if (!same) return refused('idempotency_key_reused')
  return { kind: 'held', reservation: hold.reservation, replayed: true }
}

export function remember(
  request: ReserveRequest,
  reservation: Reservation,
  recorded: Recorded,
): void {
  const { userUid, idempotencyKey, flashSaleId } = request
  recorded.holds.set(keyOf(request), { reservation, userUid, idempotencyKey, flashSaleId })
}

const upsertRefusal = `
  insert into add_to_cart_requests (request_id, user_id, idempotency_key, refusal, created_at)
  values (?, ?, ?, ?, ?)
  on conflict (request_id) do update
  set refusal = coalesce(add_to_cart_requests.refusal, excluded.refusal)`

/**
 * Makes a refusal final. Another consumer that was stopped and resumed may still have the first
 * delivery of a redelivered message; it must not give the unit that was refused here.
 */
function* recordRefusal(request: ReserveRequest, refusal: Refusal, now: number): Script<void> {
  const { requestId, userId, idempotencyKey } = request
  yield* run(upsertRefusal, requestId, userId, idempotencyKey, refusal, now)
}

/** Returns the recorded hold of each request's key; undefined where none is recorded. */
export function* findRecordedHolds(
  wishes: readonly KeyedWish[],
): Script<readonly (AddToCartOutcome | undefined)[]> {
  const holds = new Map((yield* findHolds(wishes)).map((hold) => [keyOf(hold), hold]))
  return wishes.map((wish) => {
    const hold = holds.get(keyOf(wish))
    return hold && repeatHold(hold, wish)
  })
}
