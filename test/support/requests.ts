import type { Operation } from './open-api.ts'

/** A valid body for every operation of the document, so that a test can break one field. */
const bodies: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'POST /v1/users': { name: 'Ann', email: 'ann@example.com' },
  'POST /v1/cart/items': { flashSaleId: 1, productId: 1, quantity: 1 },
  'POST /v1/checkout': { expectedTotalMinor: 0 },
  'POST /v1/invoices/{id}/pay': { paymentMethod: 'pm_ok' },
  'POST /v1/webhooks/payments': {
    id: 'evt_1',
    type: 'payment.captured',
    paymentId: 'pay_1',
    createdAt: '2026-12-12T12:12:00.000Z',
  },
  'POST /v1/admin/attention/{id}/close': { note: 'x' },
  'POST /v1/admin/flash-sales': {
    name: 'x',
    startsAt: '2026-12-12T12:12:00.000Z',
    endsAt: '2096-12-12T13:12:00.000Z',
    holdSeconds: 60,
  },
  'POST /v1/admin/products': { name: 'x', priceMinor: 1, currency: 'EUR', stock: 1, shopId: 1 },
  'POST /v1/admin/flash-sales/{id}/products': { productId: 1, salePriceMinor: 1, purchaseLimit: 1 },
  'PATCH /v1/admin/flash-sales/{id}/products/{productId}': { purchaseLimit: 1 },
  'PATCH /v1/admin/products/{id}/stock': { adjustBy: 1, reason: 'x' },
  'POST /v1/admin/users/batch': { count: 1 },
}

export const nameOf = ({ method, path }: Operation): string => `${method} ${path}`

/**
 * Returns a valid body; undefined for an operation without a body.
 * @throws when a route takes a body and has none here: a new one needs its line above.
 */
export function bodyFor(operation: Operation): Readonly<Record<string, unknown>> | undefined {
  const body = bodies[nameOf(operation)]
  if (operation.takesBody && body === undefined) throw new Error(`no body ${nameOf(operation)}`)
  return body
}

/** Returns ids of the right form for the path; nothing with these ids exists. */
export function plausibleIds({ parameters }: Operation): Readonly<Record<string, string>> {
  const inPath = parameters.filter((each) => each.in === 'path')
  return Object.fromEntries(
    inPath.map(({ name, schema }) => [name, schema.format === 'uuid' ? someUuid : '1']),
  )
}

const someUuid = '01980000-0000-7000-8000-000000000000'

/** Fills `ids` into the path by the names of its parameters. */
export function urlFor({ path }: Operation, ids: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '')
}
