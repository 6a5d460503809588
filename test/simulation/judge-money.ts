import { bodyOf, type Told } from './history.ts'
import type { Evidence } from './evidence.ts'

interface Invoice {
  readonly id: string
  readonly userId: number
  readonly status: string
  readonly totalMinor: number
}

interface Payment {
  readonly id: string
  readonly invoiceId: string
  readonly status: string
  readonly method: string
  readonly amountMinor: number
}

const selectInvoices = `
  select id, user_id as "userId", status, total_minor as "totalMinor" from invoices`
const selectPayments = `
  select id, invoice_id as "invoiceId", status, method, amount_minor as "amountMinor"
  from payments order by id`

/**
 * Checks I8, I12, I16 and I21: answers about invoices and payments, and both ledgers line by line.
 */
export function judgeMoney(evidence: Evidence): void {
  const { world, history } = evidence
  const invoices = new Map(
    world.observer.rows<Invoice>(selectInvoices).map((invoice) => [invoice.id, invoice]),
  )
  for (const told of history) {
    judgePaid(evidence, told, invoices)
    judgeOwner(evidence, told, invoices)
  }
  judgeBooks(evidence)
}

type Invoices = ReadonlyMap<string, Invoice>

/** Checks that an invoice told as paid is paid in the database and in every later answer. */
function judgePaid({ world, history }: Evidence, told: Told, invoices: Invoices): void {
  const { invoice } = bodyOf(told.answer)
  const status = told.action === 'invoice' ? bodyOf(told.answer).status : invoice?.status
  const id = told.wished.invoiceId
  if (status !== 'paid' || id === undefined) return
  const found = invoices.get(id)?.status
  if (found !== 'paid') {
    world.violate({ invariant: 'I8', what: `invoice ${id} was told as paid and is ${found}` })
  }
  const later = history.find(
    ({ action, wished, askedAt, answer }) =>
      action === 'invoice' &&
      wished.invoiceId === id &&
      askedAt > told.answeredAt &&
      answer.status === 200 &&
      bodyOf(answer).status !== 'paid',
  )
  if (later === undefined) return
  world.violate({ invariant: 'I8', what: `invoice ${id} was told as paid, and later not` })
}

function judgeOwner({ world }: Evidence, told: Told, invoices: Invoices): void {
  const id = told.wished.invoiceId
  if (id === undefined || told.answer.status !== 200) return
  const owner = invoices.get(id)?.userId
  if (owner === told.userId) return
  world.violate({ invariant: 'I21', what: `${told.userId} saw invoice ${id} of ${owner}` })
}

/**
 * Checks that each capture pays an invoice or waits for a person, and that each paid invoice has a
 * capture.
 */
function judgeBooks({ world, captured }: Evidence): void {
  const payments = world.observer.rows<Payment>(selectPayments)
  const here = payments
    .filter(({ status }) => status === 'captured' || status === 'stranded')
    .map(({ id, invoiceId, amountMinor }) => `${id} ${invoiceId} ${amountMinor}`)
  const there = captured.map(
    ({ paymentId, invoiceId, amountMinor }) => `${paymentId} ${invoiceId} ${amountMinor}`,
  )
  if (here.join('\n') === there.join('\n')) return
  const what = `captured here: ${here.join(', ')}; there: ${there.join(', ')}`
  world.violate({ invariant: 'I12', what })
}
