/**
 * Why an add-to-cart is answered with no. A closed union: refusals are values that travel in
 * outcomes; they are never thrown.
 */
export const refusals = [
  'sold_out',
  'purchase_limit_reached',
  'sale_not_open',
  'product_not_in_sale',
  'currency_mismatch',
  'cart_full',
  'idempotency_key_reused',
  'unknown_user',
  'too_late',
] as const

export type Refusal = (typeof refusals)[number]
