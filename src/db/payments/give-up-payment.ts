import { first, type Script } from '../database.ts'

const markGivenUp = `
  update payments set given_up_at = coalesce(given_up_at, ?), updated_at = ?
  where id = ? and status = 'authorizing'
  returning id`

/**
 * Decides that this attempt will never pay, so that the provider may be told to void it. An authorisation
 * that comes later is voided too. Returns false when the attempt was settled before: then nothing may be voided.
 */
export function* giveUpPayment(paymentId: string, now: number): Script<boolean> {
  return (yield* first(markGivenUp, now, now, paymentId)) !== undefined
}
