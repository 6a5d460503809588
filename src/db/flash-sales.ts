import type { FlashSaleState } from '../domain/flash-sale.ts'
import { all, first, one, padded, placeholders, type Script } from './database.ts'

export interface FlashSaleRow {
  readonly id: number
  readonly name: string
  readonly state: FlashSaleState
  /** Epoch ms. */
  readonly startsAt: number
  readonly endsAt: number
  readonly holdSeconds: number
  readonly products: readonly ProductInSale[]
}

export interface ProductInSale {
  readonly productId: number
  readonly name: string
  /** Minor units of `currency`. */
  readonly priceMinor: number
  readonly currency: string
  readonly purchaseLimit: number | null
  readonly available: number
}

const insertSale = `
  insert into flash_sales (name, starts_at, ends_at, hold_seconds, created_at)
  values (?, ?, ?, ?, ?)
  returning id`

export interface NewFlashSale {
  readonly name: string
  readonly startsAt: number
  readonly endsAt: number
  readonly holdSeconds: number
  readonly now: number
}

export function* createFlashSale(sale: NewFlashSale): Script<FlashSaleRow> {
  const { name, startsAt, endsAt, holdSeconds, now } = sale
  const { id } = yield* one<{ id: number }>(insertSale, name, startsAt, endsAt, holdSeconds, now)
  return { id, name, state: 'open', startsAt, endsAt, holdSeconds, products: [] }
}

const saleColumns = `
  id, name, state, starts_at as "startsAt", ends_at as "endsAt", hold_seconds as "holdSeconds"`

const selectSale = `select ${saleColumns} from flash_sales where id = ?`

export function* findFlashSale(id: number): Script<FlashSaleRow | undefined> {
  const sales = yield* all<Omit<FlashSaleRow, 'products'>>(selectSale, id)
  const [sale] = yield* withProducts(sales)
  return sale
}

const selectProducts = (count: number) => `
  select d.flash_sale_id as "flashSaleId", d.product_id as "productId", p.name,
    d.price_minor as "priceMinor", p.currency, d.purchase_limit as "purchaseLimit", s.available
  from flash_sale_details d
  join products p on p.id = d.product_id
  join stock s on s.product_id = d.product_id
  where d.flash_sale_id in (${placeholders(count)})
  order by d.flash_sale_id, d.product_id`

function* withProducts(
  sales: readonly Omit<FlashSaleRow, 'products'>[],
): Script<readonly FlashSaleRow[]> {
  if (sales.length === 0) return []
  const ids = padded(sales.map(({ id }) => id))
  const rows = yield* all<ProductInSale & { flashSaleId: number }>(
    selectProducts(sales.length),
    ...ids,
  )
  const products = new Map<number, ProductInSale[]>(sales.map(({ id }) => [id, []]))
  for (const { flashSaleId, ...product } of rows) products.get(flashSaleId)?.push(product)
  return sales.map((sale) => ({ ...sale, products: products.get(sale.id) ?? [] }))
}

const updateState = {
  paused: `
    update flash_sales set state = 'paused'
    where id = ? and state in ('open', 'paused') and ends_at > ? returning id`,
  open: `
    update flash_sales set state = 'open'
    where id = ? and state in ('open', 'paused') and ends_at > ? returning id`,
  cancelled: `
    update flash_sales set state = 'cancelled'
    where id = ? and state in ('open', 'paused', 'cancelled') and ends_at > ? returning id`,
} satisfies Record<FlashSaleState, string>

export type StateChange =
  | { readonly kind: 'changed'; readonly sale: FlashSaleRow }
  | { readonly kind: 'not_found' | 'over' }

/**
 * Pauses, resumes or cancels a sale; `over` when it has ended or was cancelled. It may be repeated.
 */
export function* changeFlashSaleState(
  id: number,
  state: FlashSaleState,
  now: number,
): Script<StateChange> {
  const changed = yield* first(updateState[state], id, now)
  const sale = yield* findFlashSale(id)
  if (sale === undefined) return { kind: 'not_found' }
  return changed === undefined ? { kind: 'over' } : { kind: 'changed', sale }
}
