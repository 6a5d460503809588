import {
  bodyOf,
  groupTold,
  isRefused,
  keyTold,
  type ReservationSeen,
  type Told,
} from './history.ts'
import type { Evidence } from './evidence.ts'
import type { Violation } from './violation.ts'

/** A reservation as it is at the end of the run. */
interface Row {
  readonly id: string
  readonly userId: number
  readonly key: string
  readonly productId: number
  readonly quantity: number
  readonly status: string
  readonly expiresAt: number
  readonly endedAt: number | null
  readonly invoiceId: string | null
  readonly invoiceStatus: string | null
  readonly dueAt: number | null
}

const selectReservations = `
  select r.id, r.user_id as "userId", r.idempotency_key as key, r.product_id as "productId",
    r.quantity, r.status, r.expires_at as "expiresAt", r.ended_at as "endedAt",
    r.invoice_id as "invoiceId", i.status as "invoiceStatus", i.due_at as "dueAt"
  from reservations r left join invoices i on i.id = r.invoice_id`

/** Checks I5, I6, I7 and I18: every hold and every refusal that a shopper was told. */
export function judgeHolds(evidence: Evidence): void {
  const { world, history } = evidence
  const rows = new Map(world.observer.rows<Row>(selectReservations).map((row) => [row.id, row]))
  for (const told of history) {
    for (const seen of holdsIn(told)) judgeHold(evidence, { told, seen, row: rows.get(seen.id) })
    judgeRefusal(evidence, told, rows)
  }
  judgeRefusedKeys(evidence, [...rows.values()])
  judgeLiveHolds(evidence)
}

function holdsIn({ action, answer }: Told): readonly ReservationSeen[] {
  const { reservation, items = [] } = bodyOf(answer)
  if (action === 'look') return items
  return reservation === undefined ? [] : [reservation]
}

interface TheHold {
  readonly told: Told
  readonly seen: ReservationSeen
  readonly row: Row | undefined
}

function judgeHold(evidence: Evidence, { told, seen, row }: TheHold): void {
  const { violate } = evidence.world
  const name = `hold ${seen.id}, told to ${told.userId}`
  if (row === undefined) {
    violate({ invariant: 'I5', what: `${name}, is not there` })
    return
  }
  const { productId, quantity } = told.wished
  const isAsWished =
    told.action !== 'add' || (seen.productId === productId && seen.quantity === quantity)
  if (!isAsWished || row.userId !== told.userId) {
    violate({ invariant: 'I18', what: `${name}, answers another request` })
  }
  if (row.productId !== seen.productId || row.quantity !== seen.quantity) {
    violate({ invariant: 'I5', what: `${name}, is another one in the database` })
  }
  const wrong = wrongEnd(evidence, row)
  if (wrong !== undefined) violate({ invariant: 'I6', what: `${name}, ${wrong}` })
}

/** Returns the reason why this hold should not have ended as it did, if there is one. */
function wrongEnd({ history, cancelledAt }: Evidence, row: Row): string | undefined {
  const { id, userId, status, endedAt, invoiceId } = row
  const endsAt = row.dueAt ?? row.expiresAt
  if (endedAt === null) return status === 'held' ? undefined : 'has ended at no time'
  switch (status) {
    case 'expired':
      return endedAt >= endsAt ? undefined : `expired ${endsAt - endedAt} ms early`
    case 'sold':
      return row.invoiceStatus === 'paid' ? undefined : 'is sold and not paid'
    default: {
      const byOwner = history.some(({ action, wished, ...told }) => {
        if (told.userId !== userId || told.askedAt > endedAt) return false
        if (action === 'clear') return true
        if (action === 'cancel') return wished.invoiceId === invoiceId
        return action === 'remove' && wished.reservationId === id
      })
      const byOperator = cancelledAt !== undefined && cancelledAt <= endedAt
      return byOwner || byOperator ? undefined : 'was released by nobody'
    }
  }
}

/** Checks that a refused request has no reservation. */
function judgeRefusal({ world }: Evidence, told: Told, rows: ReadonlyMap<string, Row>): void {
  const requestId = refusedRequest(told)
  if (requestId === undefined || !rows.has(requestId)) return
  const what = `request ${requestId} of ${told.userId} was refused and has a hold`
  world.violate({ invariant: 'I6', what })
}

function refusedRequest(told: Told): string | undefined {
  if (told.action === 'ask' && bodyOf(told.answer).status === 'refused') {
    return told.wished.requestId
  }
  if (told.action !== 'add' || told.key !== undefined || !isRefused(told)) return undefined
  return keyTold(told.answer)
}

/** Checks that a shopper's key has no reservation when every try with it was refused. */
function judgeRefusedKeys({ world, history }: Evidence, rows: readonly Row[]): void {
  const tries = groupTold(
    history.filter(({ action, key }) => action === 'add' && key !== undefined),
    ({ userId, key }) => `${userId}/${key}`,
  )
  for (const { userId, key, id } of rows) {
    const all = tries.get(`${userId}/${key}`)
    if (all?.every(isRefused) !== true) continue
    const what = `key ${key} was refused each time and has hold ${id}`
    world.violate({ invariant: 'I6', what })
  }
}

interface Life {
  readonly productId: number
  readonly quantity: number
  readonly createdAt: number
  readonly endedAt: number | null
  readonly status: string
}

const selectLives = `
  select product_id as "productId", quantity, created_at as "createdAt", ended_at as "endedAt",
    status from reservations order by created_at, id`
const selectAllotments = `
  select product_id as "productId", created_at as at, quantity
  from stock_movements where kind = 'allotted' order by id`

/** Checks I7 from the rows: units held or sold at the moment each hold begins. */
function judgeLiveHolds({ world }: Evidence): void {
  const { observer } = world
  const lives = observer.rows<Life>(selectLives)
  const allotments = observer.rows<{ productId: number; at: number; quantity: number }>(
    selectAllotments,
  )
  for (const { productId, createdAt } of lives) {
    const taken = lives
      .filter((life) => life.productId === productId && life.createdAt <= createdAt)
      .filter(({ status, endedAt }) => status === 'sold' || endedAt === null || endedAt > createdAt)
      .reduce((sum, { quantity }) => sum + quantity, 0)
    const most = mostAllotted(
      allotments.filter((each) => each.productId === productId),
      createdAt,
    )
    if (taken <= most) continue
    const what = `${taken} units of product ${productId} were taken of ${most}`
    world.violate({ invariant: 'I7', what } satisfies Violation)
  }
}

/** Returns the largest allotment of that millisecond, because the order inside it is unknown. */
function mostAllotted(
  changes: readonly { readonly at: number; readonly quantity: number }[],
  at: number,
): number {
  let now = 0
  let most = 0
  for (const change of changes) {
    if (change.at > at) break
    now += change.quantity
    most = change.at === at ? Math.max(most, now, now - change.quantity) : now
  }
  return Math.max(most, now)
}
