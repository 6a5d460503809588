import { wait } from '../../src/clock.ts'
import type { HttpAnswer, HttpCall } from './http-entry.ts'
import { bodyOf, type Action, type Told, type Wished } from './history.ts'
import type { Cluster } from './cluster.ts'
import type { World } from './world.ts'

/** A shopper who sends requests and records every answer in the history. */
export interface Shopper {
  readonly userId: number
  add(productId: number, quantity: number, key?: string): Promise<Told>
  /** Asks for the outcome of a request that was answered 202. */
  ask(requestId: string): Promise<Told>
  look(): Promise<Told>
  remove(reservationId: string): Promise<Told>
  clear(): Promise<Told>
  checkout(key?: string): Promise<Told>
  pay(invoiceId: string, method: string, key?: string): Promise<Told>
  cancel(invoiceId: string): Promise<Told>
  invoice(invoiceId: string): Promise<Told>
  newKey(): string
  wait(ms: number): Promise<void>
}

export interface ShopperOptions {
  readonly world: World
  readonly cluster: Cluster
  readonly history: Told[]
  readonly userId: number
  readonly token: string
  readonly flashSaleId: number
}

interface Asked {
  readonly action: Action
  readonly method: HttpCall['method']
  readonly path: string
  readonly body?: unknown
  readonly key?: string | undefined
  readonly wished?: Wished
}

export function createShopper(options: ShopperOptions): Shopper {
  const { world, cluster, history, userId, token, flashSaleId } = options
  const { clock } = world.outside
  const name = `shopper ${userId}`
  let keys = 0

  async function tell(asked: Asked): Promise<Told> {
    const { action, method, path, body, key, wished = {} } = asked
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
    }
    const askedAt = clock.now()
    const wish = `${path} ${JSON.stringify(body ?? {})}`
    world.trace.note(`${name} ${method} ${wish} ${key ?? ''}`)
    const answer = await cluster.call({ method, path, body, headers })
    world.trace.note(`${name} ${action}: ${summary(answer)}`)
    const told = { userId, action, key, wish, wished, askedAt, answeredAt: clock.now(), answer }
    history.push(told)
    world.happened.add(`${action} ${answer.status} ${bodyOf(answer).code ?? ''}`.trim())
    if (answer.status === 500) world.violate({ invariant: 'F19', what: `${wish}: 500` })
    return told
  }

  return {
    userId,
    add: (productId, quantity, key) =>
      tell({
        action: 'add',
        method: 'POST',
        path: '/v1/cart/items',
        key,
        body: { flashSaleId, productId, quantity },
        wished: { productId, quantity },
      }),
    ask: (requestId) =>
      tell({
        action: 'ask',
        method: 'GET',
        path: `/v1/cart/requests/${requestId}`,
        wished: { requestId },
      }),
    look: () => tell({ action: 'look', method: 'GET', path: '/v1/cart' }),
    remove: (reservationId) =>
      tell({
        action: 'remove',
        method: 'DELETE',
        path: `/v1/cart/items/${reservationId}`,
        wished: { reservationId },
      }),
    clear: () => tell({ action: 'clear', method: 'DELETE', path: '/v1/cart' }),
    checkout: (key) => tell({ action: 'checkout', method: 'POST', path: '/v1/checkout', key }),
    pay: (invoiceId, method, key) =>
      tell({
        action: 'pay',
        method: 'POST',
        path: `/v1/invoices/${invoiceId}/pay`,
        key,
        body: { paymentMethod: method },
        wished: { invoiceId, method },
      }),
    cancel: (invoiceId) =>
      tell({
        action: 'cancel',
        method: 'POST',
        path: `/v1/invoices/${invoiceId}/cancel`,
        wished: { invoiceId },
      }),
    invoice: (invoiceId) =>
      tell({
        action: 'invoice',
        method: 'GET',
        path: `/v1/invoices/${invoiceId}`,
        wished: { invoiceId },
      }),
    newKey: () => `key-${userId}-${(keys += 1)}`,
    wait: (ms) => wait(clock, ms),
  }
}

function summary(answer: HttpAnswer): string {
  const { code, reservation, invoice, payment, status } = bodyOf(answer)
  const parts = [
    code,
    reservation?.id,
    invoice && `${invoice.id} ${invoice.status}`,
    payment && `${payment.id} ${payment.status}`,
    typeof status === 'string' && status,
  ]
  return [answer.status, ...parts.filter(Boolean)].join(' ')
}
