import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { cancelInvoice, listInvoicesOfUser, readInvoice } from '../../db/invoices.ts'
import type { InvoiceStatus } from '../../domain/invoice.ts'
import type { AnnounceStockReleased } from '../../messaging/stock-released.ts'
import type { PayHandler } from '../pay-handler.ts'
import { ProblemError, type ProblemCode } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'
import { invoiceView } from './views.ts'

export interface InvoiceRoutesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly payHandler: PayHandler
  readonly announceStockReleased: AnnounceStockReleased
}

export function invoiceRoutes(options: InvoiceRoutesOptions) {
  return [list(options), show(options), cancel(options), pay(options)]
}

/** This cursor is greater than every UUID: it is the first page of a descending list. */
const afterAllIds = '~'

function list({ database }: InvoiceRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/invoices',
    access: 'shopper',
    tag: 'invoices',
    summary: 'List your invoices',
    description: 'Your invoices, newest first, whatever became of them.',
    query: schemas.invoicesQuery,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.invoice) } },
    async handle({ query: { limit, cursor }, userId }) {
      const page = { before: cursor ?? afterAllIds, limit }
      const invoices = await database.read(() => listInvoicesOfUser(userId, page))
      const last = invoices.length === limit ? invoices.at(-1) : undefined
      return json(200, { items: invoices.map(invoiceView), nextCursor: last?.id ?? null })
    },
  })
}

function show({ database }: InvoiceRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/invoices/{id}',
    access: 'shopper',
    tag: 'invoices',
    summary: 'Show one of your invoices',
    description: 'An invoice with its lines. The invoice of somebody else is 404.',
    params: schemas.uuidParams,
    responses: { 200: { description: 'The invoice', schema: schemas.invoice } },
    problems: ['not_found'],
    async handle({ params, userId }) {
      const invoice = await database.read(() => readInvoice(userId, params.id))
      if (invoice === undefined) throw new ProblemError('not_found')
      return json(200, invoiceView(invoice))
    },
  })
}

const whyNotCancelled: Record<Exclude<InvoiceStatus, 'cancelled'>, ProblemCode> = {
  unpaid: 'payment_in_progress',
  paying: 'payment_in_progress',
  paid: 'invoice_paid',
  expired: 'invoice_expired',
  needs_attention: 'invoice_needs_attention',
}

function cancel({ database, clock, announceStockReleased }: InvoiceRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/invoices/{id}/cancel',
    access: 'shopper',
    tag: 'invoices',
    summary: 'Cancel an unpaid invoice',
    description:
      'Cancels an invoice that is not paid; its units go back to the stock. Cancelling it again changes nothing.',
    params: schemas.uuidParams,
    responses: {
      200: { description: 'Cancelled', schema: z.object({ invoice: schemas.invoice }) },
    },
    problems: [
      'not_found',
      'payment_in_progress',
      'invoice_paid',
      'invoice_expired',
      'invoice_needs_attention',
    ],
    async handle({ params, userId }) {
      const result = await database.transaction(() => cancelInvoice(userId, params.id, clock.now()))
      if (result.kind === 'not_found') throw new ProblemError('not_found')
      const { invoice } = result
      if (result.kind === 'cancelled') announceStockReleased(result.productIds)
      else if (invoice.status !== 'cancelled')
        throw new ProblemError(whyNotCancelled[invoice.status])
      return json(200, { invoice: invoiceView(invoice) })
    },
  })
}

function pay({ payHandler }: InvoiceRoutesOptions) {
  const settled = z.object({ invoice: schemas.invoice, payment: schemas.payment.nullable() })
  return defineRoute({
    method: 'post',
    path: '/v1/invoices/{id}/pay',
    access: 'shopper',
    tag: 'invoices',
    summary: 'Pay an invoice',
    description:
      'Authorises the payment, marks the invoice as paid and then captures the money. Paying a paid invoice again charges nothing. When the provider takes longer than 2 seconds the answer is 202, and the invoice tells how it ended.',
    params: schemas.uuidParams,
    body: schemas.payBody,
    idempotent: true,
    responses: {
      200: { description: 'Paid', schema: settled },
      202: { description: 'The provider has not answered yet', schema: settled },
    },
    problems: [
      'not_found',
      'payment_declined',
      'invoice_expired',
      'invoice_cancelled',
      'invoice_needs_attention',
      'payment_in_progress',
      'idempotency_key_reused',
      'overloaded',
    ],
    handle: ({ params, body, userId, idempotencyKey }) =>
      payHandler.pay({
        userId,
        invoiceId: params.id,
        method: body.paymentMethod,
        idempotencyKey,
      }),
  })
}
