import type { Reply } from './client.ts'
import {
  checkedOutSchema,
  oneInvoiceSchema,
  payAnswerSchema,
  type Invoice,
  type Reservation,
  type Step,
} from './contract.ts'
import type { Persona } from './personas.ts'
import { canonical, keyOf, noteLoss, type Bot, type Run } from './run.ts'
import { now, pause } from './time.ts'

/**
 * This file plays a bot that holds a unit. It receives the reservation, sends release, checkout and
 * pay requests, and records every answer. It never judges.
 */

type Paid = 'paid' | 'declined' | 'gone' | 'unanswered'

const invoiceEveryMs = 200
/** A slow provider answers within this time. */
const payingMsMax = 60_000
const payTriesMax = 5

export async function shopAsWinner(
  persona: Persona,
  run: Run,
  bot: Bot,
  reservation: Reservation,
): Promise<void> {
  switch (persona) {
    case 'abandons-cart':
      run.crowd.move(bot.index, 'gone')
      return
    case 'releases':
      return release(run, bot, reservation)
    case 'abandons-invoice':
      await checkOut(run, bot, reservation)
      run.crowd.move(bot.index, 'gone')
      return
    case 'pays':
    case 'declined-first':
    case 'slow-payer':
    case 'pays-twice': {
      const invoice = await checkOut(run, bot, reservation)
      if (invoice !== null) await settle(persona, run, bot, invoice)
    }
  }
}

async function settle(
  persona: 'pays' | 'declined-first' | 'slow-payer' | 'pays-twice',
  run: Run,
  bot: Bot,
  invoice: Invoice,
): Promise<void> {
  switch (persona) {
    case 'pays':
      return payUntilPaid(run, bot, invoice, 'pm_ok')
    case 'slow-payer':
      return payUntilPaid(run, bot, invoice, 'pm_slow')
    case 'declined-first': {
      const first = await pay(run, bot, invoice, {
        method: 'pm_declined',
        key: keyOf(run, bot, `pay-declined-${invoice.id}`),
      })
      if (first === 'declined') await payUntilPaid(run, bot, invoice, 'pm_ok')
      return
    }
    case 'pays-twice': {
      const key = keyOf(run, bot, `pay-both-${invoice.id}`)
      const other = keyOf(run, bot, `pay-other-${invoice.id}`)
      const method = 'pm_ok'
      await Promise.all([
        pay(run, bot, invoice, { method, key }),
        pay(run, bot, invoice, { method, key }),
        pay(run, bot, invoice, { method, key: other }),
      ])
    }
  }
}

async function release(run: Run, bot: Bot, reservation: Reservation): Promise<void> {
  const sentAt = now()
  const reply = await run.shoppers.persist({
    step: 'release',
    method: 'DELETE',
    path: `/v1/cart/items/${reservation.id}`,
    token: bot.token,
    lane: bot.index,
  })
  if (reply === null) {
    unanswered(run, bot, 'release')
  } else {
    const { answeredAt } = reply
    run.history.releases.push({ reservationId: reservation.id, sentAt, answeredAt })
    run.crowd.move(bot.index, 'gone')
    // After a lost answer, 404 says that the first attempt did it.
    if (reply.status !== 204 && reply.attempts === 1) {
      noteLoss(run, bot, [reservation.id], { ...reply, code: codeOrStatus(reply) })
    }
  }
}

async function checkOut(run: Run, bot: Bot, reservation: Reservation): Promise<Invoice | null> {
  const key = keyOf(run, bot, `checkout-${reservation.id}`)
  const replies = await clicks(bot, () =>
    run.shoppers.persist({
      step: 'checkout',
      method: 'POST',
      path: '/v1/checkout',
      token: bot.token,
      lane: bot.index,
      key,
    }),
  )
  let invoice: Invoice | null = null
  for (const reply of replies) {
    const told = readCheckout(run, bot, reservation, reply)
    invoice ??= told
    if (reply !== null) noteKeyed(run, bot, { step: 'checkout', key, reply, invoice: told })
  }
  return invoice
}

function readCheckout(
  run: Run,
  bot: Bot,
  reservation: Reservation,
  reply: Reply | null,
): Invoice | null {
  if (reply === null) {
    unanswered(run, bot, 'checkout')
    return null
  }
  if (reply.status !== 201) {
    noteLoss(run, bot, [reservation.id], { ...reply, code: codeOrStatus(reply) })
    return null
  }
  const told = checkedOutSchema.safeParse(reply.body)
  if (!told.success) {
    run.history.unexpected.push({ step: 'checkout', what: '201 without an invoice' })
    return null
  }
  noteInvoice(run, bot, told.data.invoice, reply.sentAt)
  return told.data.invoice
}

/** A customer who wants the thing: tries again with a new key while the invoice is still open. */
async function payUntilPaid(run: Run, bot: Bot, invoice: Invoice, method: string): Promise<void> {
  for (let attempt = 1; attempt <= payTriesMax; attempt += 1) {
    const key = keyOf(run, bot, `pay-${attempt}-${invoice.id}`)
    const replies = await clicks(bot, () => pay(run, bot, invoice, { method, key }))
    if (!replies.every((told) => told === 'declined')) return
  }
}

async function pay(
  run: Run,
  bot: Bot,
  invoice: Invoice,
  { method, key }: { readonly method: string; readonly key: string },
): Promise<Paid> {
  const reply = await run.shoppers.persist({
    step: 'pay',
    method: 'POST',
    path: `/v1/invoices/${invoice.id}/pay`,
    token: bot.token,
    lane: bot.index,
    key,
    body: { paymentMethod: method },
  })
  if (reply === null) {
    unanswered(run, bot, 'pay')
    return 'unanswered'
  }
  if (reply.status !== 202) noteKeyed(run, bot, { step: 'pay', key, reply, invoice })
  if (reply.status === 200) return readPaid(run, bot, reply)
  if (reply.status === 402) return 'declined'
  if (reply.status === 202 || reply.code === 'payment_in_progress') {
    return waitWhilePaying(run, bot, invoice)
  }
  noteLoss(run, bot, reservationsOf(invoice), { ...reply, code: codeOrStatus(reply) })
  return 'gone'
}

function readPaid(run: Run, bot: Bot, reply: Reply): Paid {
  const told = payAnswerSchema.safeParse(reply.body)
  if (!told.success || told.data.invoice.status !== 'paid') {
    run.history.unexpected.push({ step: 'pay', what: '200 without a paid invoice' })
    return 'unanswered'
  }
  const { invoice, payment } = told.data
  notePaid(run, bot, invoice.id, payment?.id ?? null)
  return 'paid'
}

/** Reads the invoice until it is no longer `paying`, because the provider has not answered yet. */
async function waitWhilePaying(run: Run, bot: Bot, invoice: Invoice): Promise<Paid> {
  const until = run.shoppers.giveUpAt(payingMsMax)
  while (now() < until) {
    await pause(invoiceEveryMs)
    const sentAt = now()
    const seen = await readInvoice(run, bot, invoice.id)
    switch (seen?.status) {
      case 'paid':
        notePaid(run, bot, invoice.id, null)
        return 'paid'
      case 'unpaid':
        return 'declined'
      case 'expired':
      case 'cancelled': {
        const code = `invoice_${seen.status}`
        noteLoss(run, bot, reservationsOf(invoice), { code, sentAt, answeredAt: now() })
        return 'gone'
      }
      case 'paying':
      case undefined:
    }
  }
  unanswered(run, bot, 'pay')
  return 'unanswered'
}

/** Reads an invoice; null when the server did not show it. */
export async function readInvoice(run: Run, bot: Bot, invoiceId: string): Promise<Invoice | null> {
  const reply = await run.shoppers.persist({
    step: 'invoice',
    method: 'GET',
    path: `/v1/invoices/${invoiceId}`,
    token: bot.token,
    lane: bot.index,
  })
  const invoice = oneInvoiceSchema.safeParse(reply?.body)
  if (reply === null || !invoice.success) return null
  noteInvoice(run, bot, invoice.data, reply.sentAt)
  return invoice.data
}

/** Runs the action once or twice, as this bot clicks, with the action's own key. */
async function clicks<T>(bot: Bot, action: () => Promise<T>): Promise<T[]> {
  switch (bot.character.clicks) {
    case 'once':
      return [await action()]
    case 'twice':
      return Promise.all([action(), action()])
    case 'again':
      return [await action(), await action()]
  }
}

interface Keyed {
  readonly step: 'checkout' | 'pay'
  readonly key: string
  readonly reply: Reply
  readonly invoice: Invoice | null
}

function noteKeyed(run: Run, bot: Bot, { step, key, reply, invoice }: Keyed): void {
  const accepted = reply.status < 300
  run.history.keyedAnswers.push({
    step,
    scope: `user ${bot.userId} ${step} ${key}`,
    sentAt: reply.sentAt,
    answeredAt: reply.answeredAt,
    outcome: accepted ? 'accepted' : 'refused',
    identity: accepted ? `invoice ${invoice?.id ?? '?'}` : codeOrStatus(reply),
    verbatim: accepted ? `${reply.status} ${canonical(reply.body)}` : null,
  })
}

function noteInvoice(run: Run, bot: Bot, invoice: Invoice, askedAt: number): void {
  run.history.invoices.push({
    bot: bot.index,
    invoiceId: invoice.id,
    reservationIds: reservationsOf(invoice),
    dueAt: invoice.dueAt,
    askedAt,
  })
}

function notePaid(run: Run, bot: Bot, invoiceId: string, paymentId: string | null): void {
  run.history.payments.push({ bot: bot.index, invoiceId, paymentId })
  run.crowd.move(bot.index, 'paid')
}

const codeOrStatus = (reply: Reply): string => reply.code ?? `${reply.status}`

const reservationsOf = (invoice: Invoice): string[] =>
  invoice.lines.map((line) => line.reservationId)

function unanswered(run: Run, bot: Bot, step: Step): void {
  run.history.unanswered.push({ bot: bot.index, step, why: 'no final answer in time' })
}
