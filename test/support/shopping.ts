import { addToCart } from './buyers.ts'
import type { Answer, Call, CallOptions } from './http.ts'
import { createShopper, type TestSale, type TestShopper } from './sale.ts'

/**
 * Makes the header of a key. The functions below are a shopper's steps and assert that each works.
 */
export function keyed(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined ? {} : { 'idempotency-key': key }
}

export async function hold(
  call: Call,
  sale: TestSale,
  shopper: TestShopper,
  quantity = 1,
): Promise<string> {
  const answer = await addToCart(call, sale, shopper, { quantity })
  if (answer.status !== 201) throw new Error(`not held: ${answer.text}`)
  return (answer.body as unknown as { reservation: { id: string } }).reservation.id
}

export function checkOut(call: Call, shopper: TestShopper, key?: string): Promise<Answer> {
  return call('POST', '/v1/checkout', { token: shopper.token, headers: keyed(key) })
}

export function pay(
  call: Call,
  shopper: TestShopper,
  invoiceId: string,
  { method = 'pm_ok', key }: { readonly method?: string; readonly key?: string } = {},
): Promise<Answer> {
  const options: CallOptions = {
    token: shopper.token,
    body: { paymentMethod: method },
    headers: keyed(key),
  }
  return call('POST', `/v1/invoices/${invoiceId}/pay`, options)
}

export function invoiceIdOf(answer: Answer): string {
  const { invoice } = answer.body as unknown as { invoice?: { id: string } }
  if (invoice === undefined) throw new Error(`no invoice: ${answer.text}`)
  return invoice.id
}

/** Makes a shopper with an unpaid invoice. */
export async function invoiced(call: Call, sale: TestSale, quantity = 1) {
  const shopper = await createShopper(call)
  const reservationId = await hold(call, sale, shopper, quantity)
  const answer = await checkOut(call, shopper)
  return { shopper, reservationId, invoiceId: invoiceIdOf(answer) }
}
