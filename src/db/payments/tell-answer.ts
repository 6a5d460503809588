import type { Invoice } from '../../domain/invoice.ts'
import type { Payment, ToldAnswer } from '../../domain/payment.ts'
import { run, type Script } from '../database.ts'
import { readPayment } from './read-payment.ts'

/** An attempt with its invoice, and how its key is to be answered. */
export interface AttemptAnswer {
  readonly invoice: Invoice
  readonly payment: Payment
  readonly answer: 'paid' | 'pending' | ToldAnswer
}

const remember = `
  update payments set told_answer = ? where id = ? and told_answer is null`

/**
 * Decides how the key of an attempt is answered, and remembers a final answer before it is told: the same key
 * gets the same answer, also when money comes late and pays after all. "Paid" needs no memory, for a paid
 * invoice stays paid; "pending" is not final.
 * @throws Error when there is no such attempt.
 */
export function* tellAnswer(paymentId: string): Script<AttemptAnswer> {
  const attempt = yield* readPayment(paymentId)
  if (attempt === undefined) throw new Error(`payment ${paymentId} is missing`)
  const answer = answerOf(attempt)
  if (answer !== 'paid' && answer !== 'pending') yield* run(remember, answer, paymentId)
  return { ...attempt, answer }
}

/** Returns the answer for the key of an attempt, as far as it is known now. */
export function answerOf({
  invoice,
  payment,
}: Omit<AttemptAnswer, 'answer'>): AttemptAnswer['answer'] {
  if (payment.toldAnswer !== null) return payment.toldAnswer
  const isPaid = invoice.status === 'paid'
  switch (payment.status) {
    case 'captured':
      return 'paid'
    case 'authorized':
      return isPaid ? 'paid' : 'pending'
    case 'authorizing':
    case 'late':
      return 'pending'
    case 'declined':
      return 'declined'
    case 'voided':
      // It was given up, perhaps because the money of an earlier attempt had come.
      return isPaid ? 'paid_otherwise' : 'given_up'
    case 'stranded':
      return isPaid ? 'paid_otherwise' : 'needs_attention'
  }
}
