import type { Clock } from '../../clock.ts'
import { adjustStock, createProduct, type AdjustResult } from '../../db/catalogue.ts'
import type { Database } from '../../db/database.ts'
import { changeFlashSaleState, createFlashSale } from '../../db/flash-sales.ts'
import {
  addProductToSale,
  changeProductInSale,
  type PriceAboveList,
} from '../../db/products-in-sale.ts'
import { listInvoices } from '../../db/invoices.ts'
import type { FlashSaleState } from '../../domain/flash-sale.ts'
import { formatMoney } from '../../domain/currency.ts'
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
    changeProduct(options),
    changeState(options, 'pause', 'paused'),
    changeState(options, 'resume', 'open'),
    changeState(options, 'cancel', 'cancelled'),
    create(options),
    adjust(options),
    invoices(options),
  ]
}

const saleId = { id: '$response.body#/id' }
const saleLinks = {
  ShowSale: { to: 'GET /v1/flash-sales/{id}', parameters: saleId },
  AddProduct: { to: 'POST /v1/admin/flash-sales/{id}/products', parameters: saleId },
  PauseSale: { to: 'POST /v1/admin/flash-sales/{id}/pause', parameters: saleId },
  ResumeSale: { to: 'POST /v1/admin/flash-sales/{id}/resume', parameters: saleId },
  CancelSale: { to: 'POST /v1/admin/flash-sales/{id}/cancel', parameters: saleId },
}

function createSale({ operatorActions, clock, catalog, holdSeconds }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales',
    access: 'admin',
    tag: 'admin',
    summary: 'Create a flash sale (API X)',
    description:
      'Creates a sale without products. Add products with API Z before it starts; they can be added while it runs, too.',
    body: schemas.newFlashSale,
    idempotent: true,
    responses: {
      201: { description: 'Created', schema: schemas.flashSale, location: true, links: saleLinks },
    },
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
  price_above_list: 'price_above_list',
} as const satisfies Record<string, ProblemCode>

const productInSaleLinks = {
  AddToCart: {
    to: 'POST /v1/cart/items',
    body: { flashSaleId: '$request.path.id', productId: '$response.body#/productId' },
  },
  ShowStock: {
    to: 'GET /v1/products/{id}/stock',
    parameters: { id: '$response.body#/productId' },
  },
}

function addProduct({ operatorActions, clock, catalog }: AdminRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/admin/flash-sales/{id}/products',
    access: 'admin',
    tag: 'admin',
    summary: 'Put a product into a flash sale (API Z)',
    description:
      'Offers a product in a sale that is not over. All units of the product can then be sold in it. A product is in one sale at a time.',
    params: schemas.idParams,
    body: schemas.newProductInSale,
    idempotent: true,
    responses: {
      201: { description: 'Added', schema: schemas.productInSale, links: productInSaleLinks },
    },
    problems: Object.values(whyNotAdded),
    async handle(input) {
      const { productId, salePriceMinor, purchaseLimit, allowAboveList } = input.body
      const terms = { salePriceMinor, purchaseLimit, allowAboveList, now: clock.now() }
      const add = { flashSaleId: input.params.id, productId, ...terms }
      const { outcome, reply } = await operatorActions.perform(
        input,
        () => addProductToSale(add, limits.productsPerSaleMax),
        (result) => {
          if (result.kind === 'added') return done(json(201, result.product))
          if (result.kind === 'price_above_list') return tooHigh(result)
          const detail = result.kind === 'product_not_found' ? 'no such product' : undefined
          return refused(whyNotAdded[result.kind], detail)
        },
      )
      if (outcome === 'done') await catalog.refresh()
      return reply
    },
  })
}

/** Amounts are written out: a price in a currency without cents is easily sent a hundred times too high. */
function tooHigh({ priceMinor, list }: PriceAboveList): ActionAnswer {
  const price = formatMoney(priceMinor, list.currency)
  const listPrice = formatMoney(list.priceMinor, list.currency)
  return refused('price_above_list', `${price} is above the list price of ${listPrice}`)
}

const whyNotChangedInSale = {
  not_found: 'not_found',
  over: 'flash_sale_over',
  running: 'flash_sale_running',
  price_above_list: 'price_above_list',
} as const satisfies Record<string, ProblemCode>

function changeProduct({ operatorActions, clock, catalog }: AdminRoutesOptions) {
  return defineRoute({
    method: 'patch',
    path: '/v1/admin/flash-sales/{id}/products/{productId}',
    access: 'admin',
    tag: 'admin',
    summary: 'Change a product in a flash sale',
    description:
      'Changes the price, before the start only, or the purchase limit, at any time. Holds keep the terms they were taken under.',
    params: schemas.productInSaleParams,
    body: schemas.productInSaleChange,
    idempotent: true,
    responses: { 200: { description: 'Changed', schema: schemas.productInSale } },
    problems: Object.values(whyNotChangedInSale),
    async handle(input) {
      const { id: flashSaleId, productId } = input.params
      const { salePriceMinor, purchaseLimit, allowAboveList } = input.body
      const terms = { salePriceMinor, purchaseLimit, allowAboveList }
      const { outcome, reply } = await operatorActions.perform(
        input,
        // The time is read under the lock: a hold that was committed while this waited is older than the change.
        () => changeProductInSale({ flashSaleId, productId, ...terms, now: clock.now() }),
        (result) => {
          if (result.kind === 'changed') return done(json(200, result.product))
          if (result.kind === 'price_above_list') return tooHigh(result)
          return refused(whyNotChangedInSale[result.kind])
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
  const summary = {
    pause: 'Pause a flash sale',
    resume: 'Resume a paused flash sale',
    cancel: 'Cancel a flash sale',
  }
  const description = {
    pause: 'Nobody gets a new hold while the sale is paused; holds and invoices run on.',
    resume: 'Opens a paused sale again. The stock is as it was.',
    cancel:
      'Ends a sale for good: holds and unpaid invoices end and their units go back to the stock. What is paid stays paid.',
  }
  return defineRoute({
    method: 'post',
    path: `/v1/admin/flash-sales/{id}/${verb}`,
    access: 'admin',
    tag: 'admin',
    summary: summary[verb],
    description: description[verb],
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

const productId = { id: '$response.body#/id' }
const productLinks = {
  ShowStock: { to: 'GET /v1/products/{id}/stock', parameters: productId },
  AdjustStock: { to: 'PATCH /v1/admin/products/{id}/stock', parameters: productId },
  PutIntoSale: {
    to: 'POST /v1/admin/flash-sales/{id}/products',
    body: { productId: '$response.body#/id' },
  },
  ListInvoices: {
    to: 'GET /v1/admin/invoices',
    parameters: { productId: '$response.body#/id' },
  },
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
    description:
      'Creates a product. Its units are for sale as soon as the product is in a running sale.',
    body: schemas.newProduct,
    idempotent: true,
    responses: {
      201: { description: 'Created', schema: schemas.product, links: productLinks },
    },
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
    summary: 'Add or take away units of a product',
    description:
      'Changes how many units there are. Only units that are available can be taken away; what is held or sold stays.',
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
    summary: 'List invoices (API B)',
    description:
      'The invoices of all shoppers, oldest first; those of one product or with one status if given.',
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
