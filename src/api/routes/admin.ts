import type { Clock } from '../../clock.ts'
import { adjustStock, createProduct, type AdjustResult } from '../../db/catalogue.ts'
import type { Database } from '../../db/database.ts'
import { addProductToSale, changeFlashSaleState, createFlashSale } from '../../db/flash-sales.ts'
import { listInvoices } from '../../db/invoices.ts'
import type { FlashSaleState } from '../../domain/flash-sale.ts'
import { limits } from '../../domain/limits.ts'
import type { AnnounceStockReleased } from '../../messaging/stock-released.ts'
import type { ProblemCode } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import { done, refused, type ActionAnswer, type OperatorActions } from './operator-actions.ts'
import type { SaleCatalog } from '../add-to-cart/sale-catalog.ts'
import * as schemas from './schemas.ts'
import { flashSaleView, invoiceView } from './views.ts'

export interface AdminRoutesOptions {
  readonly database: Database
  readonly operatorActions: OperatorActions
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

function createSale({ operatorActions, clock, catalog, holdSeconds }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales',
    access: 'admin',
    tag: 'admin',
    summary: 'Create a flash sale (API X)',
    body: schemas.newFlashSale,
    idempotent: true,
    responses: { 201: { description: 'Created', schema: schemas.flashSale } },
    async handle(input) {
      const { name, startsAt, endsAt, holdSeconds: ownHoldSeconds = holdSeconds } = input.body
      const now = clock.now()
      const times = { startsAt: Date.parse(startsAt), endsAt: Date.parse(endsAt) }
      const newSale = { name, ...times, holdSeconds: ownHoldSeconds, now }
      const { reply } = await operatorActions.perform(
        input,
        () => createFlashSale(newSale),
        (sale) => {
          const location = `/v1/flash-sales/${sale.id}`
          return done(json(201, flashSaleView(sale, now), { location }))
        },
      )
      await catalog.refresh()
      return reply
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

function addProduct({ operatorActions, clock, catalog }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales/{id}/products',
    access: 'admin',
    tag: 'admin',
    summary: 'Put a product into a flash sale (API Z)',
    params: schemas.idParams,
    body: schemas.newProductInSale,
    idempotent: true,
    responses: { 201: { description: 'Added', schema: schemas.productInSale } },
    problems: Object.values(whyNotAdded),
    async handle(input) {
      const { productId, salePriceMinor, purchaseLimit } = input.body
      const add = { flashSaleId: input.params.id, productId, salePriceMinor, purchaseLimit }
      const { outcome, reply } = await operatorActions.perform(
        input,
        () => addProductToSale({ ...add, now: clock.now() }, limits.productsPerSaleMax),
        (result) => {
          if (result.kind === 'added') return done(json(201, result.product))
          const detail = result.kind === 'product_not_found' ? 'no such product' : undefined
          return refused(whyNotAdded[result.kind], detail)
        },
      )
      if (outcome === 'done') await catalog.refresh()
      return reply
    },
  })
}

const whyNotChanged = {
  over: 'flash_sale_over',
  not_found: 'not_found',
} as const satisfies Record<string, ProblemCode>

function changeState(
  { operatorActions, clock, catalog }: AdminRoutesOptions,
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
    idempotent: true,
    responses: { 200: { description: 'The sale', schema: schemas.flashSale } },
    problems: ['not_found', 'flash_sale_over'],
    async handle(input) {
      const now = clock.now()
      const { outcome, reply } = await operatorActions.perform(
        input,
        () => changeFlashSaleState(input.params.id, state, now),
        (result) =>
          result.kind === 'changed'
            ? done(json(200, flashSaleView(result.sale, now)))
            : refused(whyNotChanged[result.kind]),
      )
      if (outcome === 'done') await catalog.refresh()
      return reply
    },
  })
}

/** The shop of products that name none; made by the first migration. */
const defaultShopId = 1

function create({ operatorActions, clock }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/products',
    access: 'admin',
    tag: 'admin',
    summary: 'Create a product with its stock (API Y)',
    body: schemas.newProduct,
    idempotent: true,
    responses: { 201: { description: 'Created', schema: schemas.product } },
    problems: ['not_found'],
    async handle(input) {
      const { shopId = defaultShopId, ...rest } = input.body
      const { reply } = await operatorActions.perform(
        input,
        () => createProduct({ shopId, ...rest, now: clock.now() }),
        (product) =>
          product === undefined
            ? refused('not_found', 'no such shop')
            : done(json(201, { ...product, stock: rest.stock })),
      )
      return reply
    },
  })
}

function adjustAnswer(result: AdjustResult): ActionAnswer {
  switch (result.kind) {
    case 'adjusted':
      return done(json(200, result.stock))
    case 'not_found':
      return refused('not_found')
    case 'out_of_bounds': {
      const { available, allotment } = result.stock
      const detail = `${available} of ${allotment} are available; at most ${limits.stockMax} are possible`
      return refused('stock_out_of_bounds', detail)
    }
  }
}

function adjust({ operatorActions, clock, announceStockReleased }: AdminRoutesOptions) {
  return defineRoute({
    method: 'patch',
    path: '/v1/admin/products/{id}/stock',
    access: 'admin',
    tag: 'admin',
    summary: 'Change how many units there are, never below what is held and sold',
    params: schemas.idParams,
    body: schemas.adjustment,
    idempotent: true,
    responses: { 200: { description: 'The stock', schema: schemas.stock } },
    problems: ['not_found', 'stock_out_of_bounds'],
    async handle(input) {
      const { id: productId } = input.params
      const allotmentMax = limits.stockMax
      const { outcome, reply } = await operatorActions.perform(
        input,
        () => adjustStock({ productId, ...input.body, allotmentMax, now: clock.now() }),
        adjustAnswer,
      )
      // Also for a repeated request: the first one may have been killed before it got here.
      if (outcome === 'done') announceStockReleased([productId])
      return reply
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
