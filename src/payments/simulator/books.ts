/**
 * This file writes the ledger of the simulated provider; each function runs in the caller's
 * transaction.
 */
import type { Authorization, PaymentOrder, ProviderPayment } from '../provider.ts'
import type { LedgerConnection } from './ledger.ts'
import { captureAnswerLostMethod, captureLateMethod } from './methods.ts'
import { pushMethod } from './schema.ts'

export interface Attempt {
  readonly order: PaymentOrder
  readonly authorization: Authorization
  /** Epoch ms. */
  readonly at: number
}

const insertPayment = `
  insert into payments (payment_id, invoice_id, amount_minor, currency, method, status,
    decline_code, created_at, updated_at)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (payment_id) do nothing`

/** Records an attempt. The first call decides; a later one gets the recorded answer. */
export function recordAttempt(
  connection: LedgerConnection,
  { order, authorization, at }: Attempt,
): Authorization | { readonly kind: 'refused' } {
  const { paymentId, invoiceId, amountMinor, currency, method } = order
  const declineCode = authorization.kind === 'declined' ? authorization.code : null
  const ordered = [paymentId, invoiceId, amountMinor, currency, method] as const
  const inserted = connection.run(
    insertPayment,
    ...ordered,
    authorization.kind,
    declineCode,
    at,
    at,
  )
  if (inserted === 1) {
    log(connection, { paymentId, operation: 'authorize', result: authorization.kind, at })
    return authorization
  }
  const payment = knownPayment(connection, paymentId)
  if (payment === undefined) throw new Error(`payment ${paymentId} was neither made nor found`)
  const refused = contradicts(payment, order)
  const result = refused ? 'refused' : 'unchanged'
  log(connection, { paymentId, operation: 'authorize', result, at })
  return refused ? { kind: 'refused' } : answerOf(payment)
}

/**
 * Tells whether the order differs from the recorded one. A payment known only from its void has
 * none.
 */
function contradicts(payment: PaymentRow, order: PaymentOrder): boolean {
  if (payment.invoiceId === null) return false
  return (
    payment.invoiceId !== order.invoiceId ||
    payment.amountMinor !== order.amountMinor ||
    payment.currency !== order.currency
  )
}

function answerOf(payment: PaymentRow): Authorization {
  switch (payment.status) {
    case 'pending':
      return { kind: 'pending' }
    case 'authorized':
    case 'captured':
      return { kind: 'authorized' }
    case 'declined':
      return { kind: 'declined', code: payment.declineCode ?? 'card_declined' }
    case 'voided':
      return { kind: 'declined', code: 'voided' }
  }
}

const captureAuthorized = `
  update payments set status = 'captured', updated_at = ?
  where payment_id = ? and status = 'authorized'`

export interface Capture {
  readonly paymentId: string
  readonly at: number
  /** `pm_capture_late` refuses captures for this long. */
  readonly lateMs: number
}

export function moveMoney(
  connection: LedgerConnection,
  { paymentId, at, lateMs }: Capture,
): 'captured' | 'captured_unsaid' | 'unchanged' | 'refused' | 'pending' {
  if (isNotYetCaptured(connection, { paymentId, at, lateMs })) {
    log(connection, { paymentId, operation: 'capture', result: 'pending', at })
    return 'pending'
  }
  const moved = connection.run(captureAuthorized, at, paymentId) === 1
  const known = knownPayment(connection, paymentId)
  const repeated = !moved && known?.status === 'captured'
  const result = moved ? 'captured' : repeated ? 'unchanged' : 'refused'
  log(connection, { paymentId, operation: 'capture', result, at })
  return moved && known?.method === captureAnswerLostMethod ? 'captured_unsaid' : result
}

const firstPendingCapture = `
  select min(at) as at from operations
  where payment_id = ? and result = 'pending' and operation = 'capture'`

function isNotYetCaptured(
  connection: LedgerConnection,
  { paymentId, at, lateMs }: Capture,
): boolean {
  const payment = knownPayment(connection, paymentId)
  if (payment?.method !== captureLateMethod || payment.status !== 'authorized') return false
  const [first] = connection.all(firstPendingCapture, paymentId) as readonly { at: number | null }[]
  return at < (first?.at ?? at) + lateMs
}

/** The void of an unknown payment is recorded, so that no authorisation can come later. */
const voidUnlessFinal = `
  insert into payments (payment_id, status, created_at, updated_at)
  values (?, 'voided', ?, ?)
  on conflict (payment_id) do update set status = 'voided', updated_at = excluded.updated_at
  where payments.status in ('authorized', 'pending')`

/**
 * Voids a payment; `too_late` when the money of a push payment had arrived, which the caller could
 * not know.
 */
export function voidPayment(
  connection: LedgerConnection,
  paymentId: string,
  at: number,
): 'voided' | 'unchanged' | 'already_captured' | 'too_late' {
  const voided = connection.run(voidUnlessFinal, paymentId, at, at) === 1
  const known = voided ? undefined : knownPayment(connection, paymentId)
  const refused = known?.method === pushMethod ? 'too_late' : 'already_captured'
  const unchanged = known?.status === 'captured' ? refused : 'unchanged'
  const result = voided ? 'voided' : unchanged
  log(connection, { paymentId, operation: 'void', result, at })
  return result
}

const arrivePush = `
  update payments set status = 'captured', updated_at = ?
  where payment_id = ? and method = '${pushMethod}' and status in ('pending', 'voided')`

/** Lets the shopper's bank move the money of a push payment, also after a void. */
export function arrive(
  connection: LedgerConnection,
  paymentId: string,
  at: number,
): 'captured' | 'unchanged' | 'refused' {
  const moved = connection.run(arrivePush, at, paymentId) === 1
  const known = knownPayment(connection, paymentId)
  const repeated = known?.method === pushMethod && known.status === 'captured'
  const result = moved ? 'captured' : repeated ? 'unchanged' : 'refused'
  log(connection, { paymentId, operation: 'arrive', result, at })
  return result
}

interface PaymentRow {
  readonly invoiceId: string | null
  readonly amountMinor: number | null
  readonly currency: string | null
  readonly method: string | null
  readonly status: ProviderPayment['status']
  readonly declineCode: string | null
}

const selectPayment = `
  select invoice_id as "invoiceId", amount_minor as "amountMinor", currency, method, status,
    decline_code as "declineCode"
  from payments
  where payment_id = ?`

function knownPayment(connection: LedgerConnection, paymentId: string): PaymentRow | undefined {
  const [payment] = connection.all(selectPayment, paymentId) as readonly PaymentRow[]
  return payment
}

/** ISO 4217 for "no currency": the port wants one even for a payment known only from its void. */
const noCurrency = 'XXX'

export function findPayment(
  connection: LedgerConnection,
  paymentId: string,
): ProviderPayment | undefined {
  const payment = knownPayment(connection, paymentId)
  if (payment === undefined) return undefined
  const { status, declineCode, amountMinor, currency } = payment
  const money = { amountMinor: amountMinor ?? 0, currency: currency ?? noCurrency }
  return { paymentId, status, declineCode, ...money }
}

/** A call and its result. `unchanged` repeated an earlier answer, `refused` threw. */
interface Operation {
  readonly paymentId: string
  readonly operation: 'authorize' | 'capture' | 'void' | 'arrive'
  readonly result:
    ProviderPayment['status'] | 'unchanged' | 'refused' | 'already_captured' | 'too_late'
  readonly at: number
}

const insertOperation = `
  insert into operations (payment_id, operation, result, at) values (?, ?, ?, ?)`

function log(connection: LedgerConnection, { paymentId, operation, result, at }: Operation): void {
  connection.run(insertOperation, paymentId, operation, result, at)
}

/** An event of a payment that a webhook delivers. */
export interface ProviderEvent {
  readonly sequence: number
  readonly paymentId: string
  readonly status: 'authorized' | 'captured' | 'declined' | 'voided'
  /** Epoch ms. */
  readonly at: number
}

const selectEvents = `
  select operation_id as sequence, payment_id as "paymentId", result as status, at
  from operations
  where operation_id > (select up_to from delivered)
    and result in ('authorized', 'captured', 'declined', 'voided')
  order by operation_id
  limit ?`

export function undeliveredEvents(
  { all }: LedgerConnection,
  limit: number,
): readonly ProviderEvent[] {
  return all(selectEvents, limit) as readonly ProviderEvent[]
}

export function markDelivered({ run }: LedgerConnection, upTo: number): void {
  run('update delivered set up_to = max(up_to, ?)', upTo)
}
