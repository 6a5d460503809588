import type { Mutant } from './mutant.ts'

const reservations = {
  file: 'src/db/reserve/reserve-batch.ts',
  suite: 'src/db/reserve/reserve-batch.test.ts',
}
const redelivery = {
  file: 'src/db/reserve/reserve-batch.ts',
  suite: 'src/db/reserve/redelivery.test.ts',
}
const recorded = {
  file: 'src/db/reserve/recorded-outcomes.ts',
  suite: 'src/db/reserve/reserve-batch.test.ts',
}
const lot = { file: 'src/db/reserve/take-stock.ts', suite: 'src/db/reserve/reserve-batch.test.ts' }
const decide = { file: 'src/consumers/decide.ts', suite: 'src/consumers/decide.test.ts' }
const gate = {
  file: 'src/consumers/sold-out-gate.ts',
  suite: 'src/consumers/sold-out-gate.test.ts',
}
const localGate = {
  file: 'src/api/add-to-cart/local-gate.ts',
  suite: 'src/api/add-to-cart/local-gate.test.ts',
}

const lateOrRedelivered = 'const late = attempts > 1 || clock.now() - sentAt > maxAgeMs'

/** Mutants of taking stock: once per request, and only while there is some. */
export const holdingMutants: readonly Mutant[] = [
  {
    id: 'take-stock',
    breaks: 'I1: stock is taken that is not there',
    ...lot,
    find: 'where product_id = ? and available >= ?',
    replace: 'where product_id = ? and ? > 0',
  },
  {
    id: 'take-stock-and-check',
    breaks: 'I1: the same without the CHECK behind it',
    ...lot,
    find: 'where product_id = ? and available >= ?',
    replace: 'where product_id = ? and ? > 0',
    also: [
      {
        file: 'migrations/sqlite/0001_initial.sql',
        find: 'available integer not null check (available >= 0)',
        replace: 'available integer not null',
      },
    ],
  },
  {
    id: 'batch-gives-back-its-rest',
    breaks: 'I3: what a batch did not use of the units it took stays held for nobody',
    ...redelivery,
    find: 'if (product !== undefined) yield* product.lot.giveBackRest()',
    replace: '',
  },
  {
    id: 'adjust-stock',
    breaks: 'I1, I7: an operator takes away what is held or sold',
    file: 'src/db/catalogue.ts',
    suite: 'src/db/catalogue.test.ts',
    find: 'available + ? >= 0',
    replace: '? is not null',
  },
  {
    id: 'sale-is-open',
    breaks: 'units are held in a sale that has not begun, is over, paused or cancelled',
    ...reservations,
    find: `if (flashSaleStatus(terms, context.now) !== 'active') return refused('sale_not_open')`,
    replace: '',
    also: [
      {
        file: reservations.file,
        find: `const open = terms !== undefined && flashSaleStatus(terms, context.now) === 'active'`,
        replace: 'const open = terms !== undefined',
      },
    ],
    kept: 'A closed sale is refused before its shoppers are read, which nobody would be found among.',
  },
  {
    id: 'product-in-one-sale',
    breaks: 'F10: a product has two consumers, and two prices at once',
    file: 'src/db/products-in-sale.ts',
    suite: 'src/db/flash-sales.test.ts',
    find: `if (other !== undefined) return { kind: 'in_another_sale' }`,
    replace: '',
  },
  {
    id: 'cancelled-sale-stays-cancelled',
    breaks: 'a sale whose holds were given back goes on',
    file: 'src/db/flash-sales.ts',
    suite: 'src/db/flash-sales.test.ts',
    find: `update flash_sales set state = 'open'
    where id = ? and state in ('open', 'paused')`,
    replace: `update flash_sales set state = 'open'
    where id = ?`,
  },
  {
    id: 'cancelled-sale-is-not-paused',
    breaks: 'a sale whose holds were given back goes on, after a pause',
    file: 'src/db/flash-sales.ts',
    suite: 'src/db/flash-sales.test.ts',
    find: `update flash_sales set state = 'paused'
    where id = ? and state in ('open', 'paused')`,
    replace: `update flash_sales set state = 'paused'
    where id = ?`,
  },
  {
    id: 'hold-goes-into-the-active-cart',
    breaks: 'I11, I15: a hold goes into a cart that was checked out, where nobody can buy it',
    ...reservations,
    suite: 'src/db/carts.test.ts',
    find: `left join carts c on c.user_id = u.id and c.status = 'active'`,
    replace: 'left join carts c on c.user_id = u.id',
  },
  {
    id: 'redelivered',
    breaks: 'I6, F3: a redelivered message takes stock',
    ...decide,
    find: lateOrRedelivered,
    replace: 'const late = clock.now() - sentAt > maxAgeMs',
  },
  {
    id: 'older-than-max-age',
    breaks: 'I6: a message older than ADD_TO_CART_MAX_AGE_MS takes stock',
    ...decide,
    find: lateOrRedelivered,
    replace: 'const late = attempts > 1',
  },
  {
    id: 'age-under-the-lock',
    breaks: 'I6: a message that became too old while it waited for the lock takes stock',
    ...decide,
    find: `const { requests, outcomes } = await database.transaction(function* () {
      // The age is checked under the lock: a request may have become too old while waiting for it.
      const requests = deliveries.map(toReserveRequest)`,
    replace: `const requests = deliveries.map(toReserveRequest)
    const { outcomes } = await database.transaction(function* () {`,
  },
  {
    id: 'too-late-is-written-down',
    breaks:
      'I5, F8: refused as too late, then given by a consumer that still had the first delivery',
    ...redelivery,
    file: recorded.file,
    find: `if (refusal === 'too_late') {`,
    replace: 'if (now < 0) {',
  },
  {
    id: 'refusal-is-looked-up',
    breaks: 'I5: a refusal that was written down is not found',
    ...redelivery,
    file: recorded.file,
    find: 'recorded.refusals.get(request.requestId) ?? request.refuseUnlessRecorded',
    replace: 'request.refuseUnlessRecorded',
  },
  {
    id: 'first-refusal-stands',
    breaks: 'I5: the refusal that was told is overwritten',
    file: 'src/db/reserve/add-to-cart-requests.ts',
    suite: 'src/db/reserve/add-to-cart-requests.test.ts',
    find: 'where request_id = ? and refusal is null',
    replace: 'where request_id = ?',
  },
  {
    id: 'hold-is-never-refused',
    breaks: 'I5: somebody who holds a unit is told that it was refused',
    file: 'src/db/reserve/add-to-cart-requests.ts',
    suite: 'src/db/reserve/add-to-cart-requests.test.ts',
    find: `and not exists (
      select 1 from reservations r`,
    replace: `and not exists (
      select 1 from (select * from reservations limit 0) r`,
    also: [
      {
        file: 'src/db/reserve/add-to-cart-requests.ts',
        find: `if (reservation !== undefined) return { kind: 'held', reservation }`,
        replace: 'if (reservation === null) return undefined',
      },
    ],
    kept: 'The status looks for the hold first; the row must be true for whoever reads it otherwise.',
  },
  {
    id: 'same-key-same-hold',
    breaks: 'I5, I17: a repeated key is decided again',
    ...recorded,
    find: 'if (hold !== undefined) return hold',
    replace: '',
  },
  {
    id: 'same-key-in-one-batch',
    breaks: 'I6: both deliveries of a message in one batch take stock',
    ...redelivery,
    find: `if (outcome.kind === 'held') remember(request, outcome.reservation, recorded)`,
    replace: '',
  },
  {
    id: 'key-for-another-wish',
    breaks: 'I17: a key used for something else is answered with the old hold',
    ...recorded,
    find: `if (!same) return refused('idempotency_key_reused')`,
    replace: '',
  },
  {
    id: 'key-for-another-wish-under-way',
    breaks: 'I17: a key that is under way for something else is answered with that',
    file: 'src/api/add-to-cart/handler.ts',
    suite: 'src/api/add-to-cart/handler.test.ts',
    find: `if (other.wish !== wishOf(request)) return refuse('idempotency_key_reused')`,
    replace: '',
  },
  {
    id: 'key-is-the-shoppers-own',
    breaks: 'I17, I21: a shopper is answered with the hold of somebody else who used the same key',
    ...recorded,
    find: '`${shopper.userUid}/${shopper.idempotencyKey}`',
    replace: 'shopper.idempotencyKey',
  },
  {
    id: 'purchase-limit',
    breaks: 'I14: the limit counts only what is asked for now',
    ...reservations,
    find: 'shopper.taken + quantity > terms.purchaseLimit',
    replace: 'quantity > terms.purchaseLimit',
  },
  {
    id: 'purchase-limit-in-a-batch',
    breaks: 'I14: several wishes of one batch pass the limit together',
    ...reservations,
    find: 'shopper.taken += quantity',
    replace: '',
  },
  {
    id: 'purchase-limit-counts-sold',
    breaks: 'I14: what was bought does not count',
    ...reservations,
    find: `r.product_id = ? and r.status in ('held', 'sold')`,
    replace: `r.product_id = ? and r.status in ('held')`,
  },
  {
    id: 'gate-lets-keys-through',
    breaks: 'I17: a key whose hold is recorded is refused because the gate is closed',
    ...decide,
    find: 'if (attempts > 1 || request.idempotencyKey !== request.requestId) return undefined',
    replace: 'if (attempts > 1) return undefined',
  },
  {
    id: 'gate-lets-redelivered-through',
    breaks: 'I5: a redelivered message whose hold is recorded is told sold_out',
    ...decide,
    find: 'if (attempts > 1 || request.idempotencyKey !== request.requestId) return undefined',
    replace: 'if (request.idempotencyKey !== request.requestId) return undefined',
  },
  {
    id: 'gate-reopening-stamp',
    breaks: 'I6, F5: a copy of a refused message, replayed by nsqd as new, takes what came back',
    ...gate,
    find: 'return mayHaveBeenRefused(productId, quantity, sentAt)',
    replace: 'return false',
  },
  {
    id: 'gate-keeps-its-first-reopening',
    breaks:
      'I6: a replayed message takes the unit it was refused, because the gate has reopened twice',
    ...gate,
    find: '[...smaller, { at: now(), refusedFrom: from }]',
    replace: '[{ at: now(), refusedFrom: from }]',
  },
  {
    id: 'gate-judges-the-batch',
    breaks: 'I6: the same when the message reaches the database with its batch',
    ...decide,
    find: 'const closed = gate.refuses(productId, quantity, sentAt)',
    replace: 'const closed = false',
  },
  {
    id: 'gate-after-a-clock-step',
    breaks: 'I20, F13: a clock set back keeps a product sold out for as long',
    ...gate,
    find: 'if (sentAt < at && at <= now()) return true',
    replace: 'if (sentAt < at) return true',
  },
  {
    id: 'probe-opens-the-gate',
    breaks: 'I20: one lost stock_released freezes the sale',
    file: 'src/consumers/probe-stock.ts',
    suite: 'src/consumers/probe-stock.test.ts',
    find: 'if (available >= (closed.get(productId) ?? Infinity)) gate.open(productId)',
    replace: 'void available',
  },
  {
    id: 'api-gate-asks-again',
    breaks: 'I20: an API node that missed the news goes on refusing',
    ...localGate,
    find: 'if (quantity > entry.from || now < entry.asksAgainAt) return true',
    replace: 'if (now >= 0) return true',
  },
  {
    id: 'price-above-list',
    breaks: 'a price above the list price is taken for a bargain',
    file: 'src/db/products-in-sale.ts',
    suite: 'src/db/products-in-sale.test.ts',
    find: 'if (priceMinor > price.priceMinor && add.allowAboveList !== true) {',
    replace: 'if (priceMinor < 0) {',
  },
  {
    id: 'price-stays-while-running',
    breaks: 'the price changes during the sale',
    file: 'src/db/products-in-sale.ts',
    suite: 'src/db/products-in-sale.test.ts',
    find: 'and (asked.price is null or s.starts_at > asked.now))',
    replace: ')',
  },
  {
    id: 'changed-price-above-list',
    breaks: 'a price above the list price comes in by a change',
    file: 'src/db/products-in-sale.ts',
    suite: 'src/db/products-in-sale.test.ts',
    find: 'asked.price is null or is_above_allowed or asked.price <= (',
    replace: 'asked.price is null or 0 <= (',
  },
  {
    id: 'limit-judged-backwards',
    breaks: 'the audit judges holds by a purchase limit that came after them',
    file: 'src/db/products-in-sale.ts',
    suite: 'src/db/products-in-sale.test.ts',
    find: 'then asked.now else limit_changed_at end',
    replace: 'then null else limit_changed_at end',
  },
  {
    id: 'line-worth',
    breaks: 'I16: the total of a cart is not an exact number',
    file: 'src/db/reserve/reserve-batch.ts',
    suite: 'src/db/products-in-sale.test.ts',
    find: `if (quantity * terms.priceMinor > limits.lineTotalMinorMax) return 'cart_full'`,
    replace: '',
  },
]
