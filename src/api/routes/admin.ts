import type { Clock } from '../../clock.ts'
import { adjustStock, createProduct } from '../../db/catalogue.ts'
import type { Database } from '../../db/database.ts'
import { addProductToSale, changeFlashSaleState, createFlashSale } from '../../db/flash-sales.ts'
import { listInvoices } from '../../db/invoices.ts'
import type { FlashSaleState } from '../../domain/flash-sale.ts'
import { limits } from '../../domain/limits.ts'
import type { AnnounceStockReleased } from '../../stock-released.ts'
import { ProblemError, type ProblemCode } from '../problem.ts'
import { defineRoute, json } from '../route.ts'
import type { SaleCatalog } from '../sale-catalog.ts'
import * as schemas from '../schemas.ts'
import { flashSaleView, invoiceView } from '../views.ts'

export interface AdminRoutesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly catalog: SaleCatalog
  readonly announceStockReleased: AnnounceStockReleased
  /** For sales that do not say. */
  readonly holdSeconds: number
}

export function adminRoutes(options: AdminRoutesOptions) {
  return [
    createSale(options),
    addProduct(options),
    changeState(options, 'pause', 'paused'),
    changeState(options, 'resume', 'open'),
    changeState(options, 'cancel', 'cancelled'),
    create(options),
    adjust(options),
    invoices(options),
  ]
}

function createSale({ database, clock, catalog, holdSeconds }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales',
    access: 'admin',
    tag: 'admin',
    summary: 'Create a flash sale (API X)',
    body: schemas.newFlashSale,
    responses: { 201: { description: 'Created', schema: schemas.flashSale } },
    async handle({ body }) {
      const now = clock.now()
      const sale = await database.transaction(() =>
        createFlashSale({
          name: body.name,
          startsAt: Date.parse(body.startsAt),
          endsAt: Date.parse(body.endsAt),
          holdSeconds: body.holdSeconds ?? holdSeconds,
          now,
        }),
      )
      await catalog.refresh()
      return json(201, flashSaleView(sale, now), { location: `/v1/flash-sales/${sale.id}` })
    },
  })
}

const whyNotAdded = {
  sale_not_found: 'not_found',
  product_not_found: 'not_found',
  over: 'flash_sale_over',
  full: 'flash_sale_full',
  already_in_sale: 'product_already_in_sale',
  in_another_sale: 'product_in_another_sale',
} as const satisfies Record<string, ProblemCode>

function addProduct({ database, clock, catalog }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales/{id}/products',
    access: 'admin',
    tag: 'admin',
    summary: 'Put a product into a flash sale (API Z)',
    params: schemas.idParams,
    body: schemas.newProductInSale,
    responses: { 201: { description: 'Added', schema: schemas.productInSale } },
    problems: Object.values(whyNotAdded),
    async handle({ params, body: { productId, salePriceMinor, purchaseLimit } }) {
      const add = { flashSaleId: params.id, productId, salePriceMinor, purchaseLimit }
      const result = await database.transaction(() =>
        addProductToSale({ ...add, now: clock.now() }, limits.productsPerSaleMax),
      )
      if (result.kind !== 'added') {
        const detail = result.kind === 'product_not_found' ? 'no such product' : undefined
        throw new ProblemError(whyNotAdded[result.kind], detail)
      }
      await catalog.refresh()
      return json(201, result.product)
    },
  })
}

function changeState(
  { database, clock, catalog }: AdminRoutesOptions,
  verb: 'pause' | 'resume' | 'cancel',
  state: FlashSaleState,
) {
  const effect = {
    pause: 'Pause a flash sale: no new holds, existing ones run on',
    resume: 'Resume a paused flash sale',
    cancel: 'Cancel a flash sale: unpaid holds and invoices end, paid ones stand',
  }
  return defineRoute({
    method: 'post',
    path: `/v1/admin/flash-sales/{id}/${verb}`,
    access: 'admin',
    tag: 'admin',
    summary: effect[verb],
    params: schemas.idParams,
    responses: { 200: { description: 'The sale', schema: schemas.flashSale } },
    problems: ['not_found', 'flash_sale_over'],
    async handle({ params }) {
      const now = clock.now()
      const result = await database.transaction(() => changeFlashSaleState(params.id, state, now))
      if (result.kind !== 'changed') {
        throw new ProblemError(result.kind === 'over' ? 'flash_sale_over' : 'not_found')
      }
      await catalog.refresh()
      return json(200, flashSaleView(result.sale, now))
    },
  })
}

/** The shop of products that name none; made by the first migration. */
const houseShopId = 1

function create({ database, clock }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/products',
    access: 'admin',
    tag: 'admin',
    summary: 'Create a product with its stock (API Y)',
    body: schemas.newProduct,
    responses: { 201: { description: 'Created', schema: schemas.product } },
    problems: ['not_found'],
    async handle({ body: { shopId = houseShopId, ...rest } }) {
      const product = await database.transaction(() =>
        createProduct({ shopId, ...rest, now: clock.now() }),
      )
      if (product === undefined) throw new ProblemError('not_found', 'no such shop')
      return json(201, { ...product, stock: rest.stock })
    },
  })
}

function adjust({ database, clock, announceStockReleased }: AdminRoutesOptions) {
  return defineRoute({
    method: 'patch',
    path: '/v1/admin/products/{id}/stock',
    access: 'admin',
    tag: 'admin',
    summary: 'Change how many units there are, never below what is held and sold',
    params: schemas.idParams,
    body: schemas.adjustment,
    responses: { 200: { description: 'The stock', schema: schemas.stock } },
    problems: ['not_found', 'stock_out_of_bounds'],
    async handle({ params: { id: productId }, body: { adjustBy, reason } }) {
      const allotmentMax = limits.stockMax
      const result = await database.transaction(() =>
        adjustStock({ productId, adjustBy, reason, allotmentMax, now: clock.now() }),
      )
      if (result.kind === 'not_found') throw new ProblemError('not_found')
      if (result.kind === 'out_of_bounds') {
        const { available, allotment } = result.stock
        throw new ProblemError(
          'stock_out_of_bounds',
          `${available} of ${allotment} are available; at most ${allotmentMax} are possible`,
        )
      }
      announceStockReleased([productId])
      return json(200, result.stock)
    },
  })
}

function invoices({ database }: AdminRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/admin/invoices',
    access: 'admin',
    tag: 'admin',
    summary: 'Invoices, oldest first, of a product if given (API B)',
    query: schemas.allInvoicesQuery,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.invoice) } },
    async handle({ query: { productId, status, limit, cursor } }) {
      const filter = { productId, status, after: cursor ?? '', limit }
      const found = await database.read(() => listInvoices(filter))
      const last = found.length === limit ? found.at(-1) : undefined
      return json(200, { items: found.map(invoiceView), nextCursor: last?.id ?? null })
    },
  })
}
