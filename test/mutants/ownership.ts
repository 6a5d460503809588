import type { Mutant } from './mutant.ts'

const carts = { file: 'src/db/carts.ts', suite: 'src/db/carts.test.ts' }
const checkout = { file: 'src/db/checkout.ts', suite: 'src/db/checkout.test.ts' }
const invoices = { file: 'src/db/invoices.ts', suite: 'src/db/invoices.test.ts' }
const payments = {
  file: 'src/db/payments/begin-payment.ts',
  suite: 'src/db/payments/begin-payment.test.ts',
}
const requests = {
  file: 'src/db/reserve/add-to-cart-requests.ts',
  suite: 'src/db/reserve/add-to-cart-requests.test.ts',
}

const tokens = {
  file: 'src/api/identity/local-issuer.ts',
  suite: 'src/api/identity/ownership.test.ts',
}

/** Mutants of the user id in every `where`, and of the checks of tokens. */
export const ownershipMutants: readonly Mutant[] = [
  {
    id: 'own-cart',
    breaks: 'I21: a cart shows what is in everybody’s',
    ...carts,
    find: `where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.expires_at`,
    replace: `where ? > 0 and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.expires_at`,
  },
  {
    id: 'own-cart-item',
    breaks: 'I21: somebody else’s item is put back',
    ...carts,
    find: `where id = ? and user_id = ? and status = 'held'`,
    replace: `where id = ? and ? > 0 and status = 'held'`,
  },
  {
    id: 'own-cart-cleared',
    breaks: 'I21: somebody else’s cart is cleared',
    ...carts,
    find: `where c.user_id = ? and c.status = 'active')`,
    replace: `where ? > 0 and c.status = 'active')`,
  },
  {
    id: 'own-checkout',
    breaks: 'I21: somebody else’s cart is checked out',
    ...checkout,
    find: `where c.user_id = ? and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`,
    replace: `where ? > 0 and c.status = 'active'
    and r.status = 'held' and r.invoice_id is null and r.expires_at > ?
  order by r.id`,
  },
  {
    id: 'own-checkout-key',
    breaks: 'I21: somebody else’s key finds somebody else’s invoice',
    ...checkout,
    find: 'from invoices where user_id = ? and idempotency_key = ?',
    replace: 'from invoices where ? > 0 and idempotency_key = ?',
  },
  {
    id: 'own-invoice',
    breaks: 'I21: somebody else’s invoice is shown',
    ...invoices,
    find: 'select ${invoiceColumns} from invoices i where i.id = ? and i.user_id = ?`',
    replace: 'select ${invoiceColumns} from invoices i where i.id = ? and ? > 0`',
  },
  {
    id: 'own-invoices',
    breaks: 'I21: everybody’s invoices are listed',
    ...invoices,
    find: 'where i.user_id = ? and i.id < ?',
    replace: 'where ? > 0 and i.id < ?',
  },
  {
    id: 'own-invoice-cancelled',
    breaks: 'I21: somebody else’s invoice is cancelled',
    ...invoices,
    find: `where id = ? and user_id = ? and status = 'unpaid'`,
    replace: `where id = ? and ? > 0 and status = 'unpaid'`,
  },
  {
    id: 'own-invoice-paid',
    breaks: 'I21: somebody else’s invoice is taken to be paid',
    ...payments,
    find: `where id = ? and user_id = ? and status = 'unpaid' and due_at > ?`,
    replace: `where id = ? and ? > 0 and status = 'unpaid' and due_at > ?`,
    also: [
      {
        file: invoices.file,
        find: 'select ${invoiceColumns} from invoices i where i.id = ? and i.user_id = ?`',
        replace: 'select ${invoiceColumns} from invoices i where i.id = ? and ? > 0`',
      },
    ],
    kept: 'The invoice is read as the user’s own first; the update says it again.',
  },
  {
    id: 'own-payment-key',
    breaks: 'I21: somebody else’s key finds somebody else’s payment',
    ...payments,
    find: 'from payments where user_id = ? and idempotency_key = ?',
    replace: 'from payments where ? > 0 and idempotency_key = ?',
  },
  {
    id: 'own-request-held',
    breaks: 'I21: somebody else’s request is shown as held',
    ...requests,
    find: 'from reservations where id = ? and user_id = ?`',
    replace: 'from reservations where id = ? and ? > 0`',
  },
  {
    id: 'own-request',
    breaks: 'I21: somebody else’s request is shown',
    ...requests,
    find: 'where request_id = ? and user_id = ?`',
    replace: 'where request_id = ? and ? > 0`',
  },
  {
    id: 'own-request-by-key',
    breaks: 'I21: a request is answered with the hold of somebody else who used the same key',
    ...requests,
    find: 'from reservations where user_id = ? and idempotency_key = ?`',
    replace: 'from reservations where ? > 0 and idempotency_key = ?`',
  },
  {
    id: 'own-request-remembered',
    breaks: 'I21: a node tells what it remembers to anybody',
    file: 'src/api/add-to-cart/late-replies.ts',
    suite: 'src/api/add-to-cart/late-replies.test.ts',
    find: 'const own = found?.userId === userId ? found : undefined',
    replace: 'const own = found',
  },
  {
    id: 'token-algorithm',
    breaks: 'I21: a token says itself how it is to be believed',
    ...tokens,
    find: `    algorithms: ['HS256'],\n`,
    replace: '',
  },
  {
    id: 'token-issuer',
    breaks: 'I21: a token of another issuer is believed',
    ...tokens,
    find: '    allowedIss: issuer,\n',
    replace: '',
  },
  {
    id: 'token-audience',
    breaks: 'I21: a token for somebody else is believed',
    ...tokens,
    find: '    allowedAud: audience,\n',
    replace: '',
  },
  {
    id: 'token-expiry',
    breaks: 'I21: a token is good for ever',
    ...tokens,
    find: 'if (found === undefined || found.goodUntil <= clock.now()) return undefined',
    replace: 'if (found === undefined) return undefined',
    also: [
      {
        file: 'src/api/identity/authentication.ts',
        find: 'if (identified === undefined || identified.goodUntil <= clock.now()) return undefined',
        replace: 'if (identified === undefined) return undefined',
      },
    ],
    kept: 'Each issuer looks, and so does whoever asks it: there are two issuers.',
  },
  {
    id: 'token-expiry-remembered',
    breaks: 'I21: a token that is remembered is good for ever',
    file: 'src/api/identity/authentication.ts',
    suite: 'src/api/identity/authentication.test.ts',
    find: 'entry !== undefined && entry.goodUntil > clock.now()',
    replace: 'entry !== undefined',
  },
  {
    id: 'message-of-the-uid',
    breaks: 'I32: a message of before a restore takes stock for whoever has the number now',
    file: 'src/db/reserve/reserve-batch.ts',
    suite: 'src/db/reserve/reserve-batch.test.ts',
    find: 'if (shopper?.userUid !== request.userUid)',
    replace: 'if (shopper === undefined)',
  },
  {
    id: 'uid-stays',
    breaks: 'I32: the uid of a user changes and their tokens with it',
    file: 'migrations/sqlite/0006_what_a_restore_cannot_repeat.sql',
    suite: 'src/db/users.test.ts',
    find: 'when new.uid <> old.uid',
    replace: 'when false',
  },
  {
    id: 'token-of-a-user',
    breaks: 'I21: a token of nobody is believed',
    ...tokens,
    find: 'return userId === undefined ? undefined : { userId, ...found }',
    replace: 'return { userId: userId ?? 1, ...found }',
  },
]
