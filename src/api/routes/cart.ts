import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import { clearCart, readCart, removeFromCart } from '../../db/carts.ts'
import { checkOut, type CheckOutResult } from '../../db/checkout.ts'
import type { Database } from '../../db/database.ts'
import type { NewId } from '../../ids.ts'
import type { AnnounceStockReleased } from '../../messaging/stock-released.ts'
import { addToCartBody, type AddToCartHandler } from '../add-to-cart/handler.ts'
import type { LateReplies } from '../add-to-cart/late-replies.ts'
import { problem, ProblemError, type ProblemBody, type Reply } from '../http/problem.ts'
import type { RateLimit } from '../http/rate-limit.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'
import { cartView, invoiceView, reservationView } from './views.ts'

export interface CartRoutesOptions {
  readonly database: Database
  readonly clock: Clock
  readonly newId: NewId
  readonly addToCart: AddToCartHandler
  readonly rateLimit: RateLimit
  readonly lateReplies: LateReplies
  readonly announceStockReleased: AnnounceStockReleased
}

export function cartRoutes(options: CartRoutesOptions) {
  return [
    addItem(options),
    requestStatus(options),
    show(options),
    removeItem(options),
    clear(options),
    checkout(options),
  ]
}

const holdLinks = {
  RemoveItem: {
    to: 'DELETE /v1/cart/items/{reservationId}',
    parameters: { reservationId: '$response.body#/reservation/id' },
  },
  ShowCart: { to: 'GET /v1/cart' },
  CheckOut: { to: 'POST /v1/checkout' },
}
const pendingLinks = {
  ShowRequest: {
    to: 'GET /v1/cart/requests/{requestId}',
    parameters: { requestId: '$response.body#/requestId' },
  },
}

function addItem({ addToCart, rateLimit }: CartRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/cart/items',
    access: 'shopper',
    tag: 'cart',
    summary: 'Add to cart: hold units of a product in a flash sale',
    description:
      'Holds units for the hold time of the sale. The request waits for its turn in the queue of the product. When that takes longer than 5 seconds the answer is 202, and the status resource tells how it ended.',
    body: addToCartBody,
    idempotent: true,
    responses: {
      201: {
        description: 'Held',
        schema: z.object({ reservation: schemas.reservation }),
        links: holdLinks,
      },
      202: {
        description: 'Not decided yet; ask the status URL',
        schema: schemas.pendingRequest,
        location: true,
        links: pendingLinks,
      },
    },
    problems: [
      'sold_out',
      'purchase_limit_reached',
      'sale_not_open',
      'product_not_in_sale',
      'currency_mismatch',
      'cart_full',
      'idempotency_key_reused',
      'rate_limited',
      'overloaded',
      'too_late',
      'broker_unavailable',
    ],
    handle({ body, userId, userUid, idempotencyKey }) {
      if (!rateLimit.take(userId)) return Promise.resolve(problem('rate_limited'))
      return addToCart.handle({ ...body, userId, userUid, idempotencyKey })
    },
  })
}

function requestStatus({ lateReplies }: CartRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/cart/requests/{requestId}',
    access: 'shopper',
    tag: 'cart',
    summary: 'Show an add-to-cart request',
    description: 'Tells how a request ended that was answered with 202. It is kept for an hour.',
    params: schemas.requestParams,
    responses: { 200: { description: 'The status', schema: schemas.requestStatus } },
    problems: ['not_found'],
    async handle({ params: { requestId }, userId }) {
      const status = await lateReplies.status(userId, requestId)
      switch (status?.kind) {
        case undefined:
          throw new ProblemError('not_found')
        case 'pending':
          return json(200, { requestId, status: 'pending' }, { 'retry-after': '1' })
        case 'refused':
          return json(200, { requestId, status: 'refused', code: status.refusal })
        case 'held': {
          const reservation = reservationView(status.reservation)
          return json(200, { requestId, status: 'held', reservation })
        }
      }
    },
  })
}

function show({ database, clock }: CartRoutesOptions) {
  return defineRoute({
    method: 'get',
    path: '/v1/cart',
    access: 'shopper',
    tag: 'cart',
    summary: 'Show your cart',
    description: 'The units that are held for you now. What has expired is not among them.',
    responses: { 200: { description: 'The cart', schema: schemas.cart } },
    async handle({ userId }) {
      return json(200, cartView(await database.read(() => readCart(userId, clock.now()))))
    },
  })
}

function removeItem({ database, clock, announceStockReleased }: CartRoutesOptions) {
  return defineRoute({
    method: 'delete',
    path: '/v1/cart/items/{reservationId}',
    access: 'shopper',
    tag: 'cart',
    summary: 'Remove an item from your cart',
    description: 'Gives the held units of one item back to the stock.',
    params: schemas.reservationParams,
    responses: { 204: { description: 'Put back' } },
    problems: ['not_found'],
    async handle({ params, userId }) {
      const productIds = await database.transaction(() =>
        removeFromCart(userId, params.reservationId, clock.now()),
      )
      if (productIds === undefined) throw new ProblemError('not_found')
      announceStockReleased(productIds)
      return { status: 204 }
    },
  })
}

function clear({ database, clock, announceStockReleased }: CartRoutesOptions) {
  return defineRoute({
    method: 'delete',
    path: '/v1/cart',
    access: 'shopper',
    tag: 'cart',
    summary: 'Empty your cart',
    description: 'Gives all held units back to the stock. An empty cart stays empty.',
    responses: { 204: { description: 'The cart is empty' } },
    async handle({ userId }) {
      announceStockReleased(await database.transaction(() => clearCart(userId, clock.now())))
      return { status: 204 }
    },
  })
}

const invoiceId = { id: '$response.body#/invoice/id' }
const invoiceLinks = {
  ShowInvoice: { to: 'GET /v1/invoices/{id}', parameters: invoiceId },
  PayInvoice: { to: 'POST /v1/invoices/{id}/pay', parameters: invoiceId },
  CancelInvoice: { to: 'POST /v1/invoices/{id}/cancel', parameters: invoiceId },
}

function checkout({ database, clock, newId }: CartRoutesOptions) {
  return defineRoute({
    method: 'post',
    path: '/v1/checkout',
    access: 'shopper',
    tag: 'cart',
    summary: 'Check out',
    description:
      'Turns the held items of the cart into an unpaid invoice, and the units stay held until the invoice is due. ' +
      'With a confirmation of the cart, only when the cart is that one.',
    body: schemas.checkoutBody,
    idempotent: true,
    responses: {
      201: {
        description: 'To be paid',
        schema: z.object({ invoice: schemas.invoice }),
        links: invoiceLinks,
      },
    },
    problems: ['cart_empty', 'cart_changed', 'idempotency_key_reused'],
    async handle({ userId, body: confirmation, idempotencyKey = newId() }) {
      const order = { userId, idempotencyKey, confirmation, invoiceId: newId(), now: clock.now() }
      const reply = checkoutReply(await database.transaction(() => checkOut(order)))
      return { ...reply, headers: { ...reply.headers, 'idempotency-key': idempotencyKey } }
    },
  })
}

function checkoutReply(result: CheckOutResult): Reply {
  switch (result.kind) {
    case 'created':
      return json(201, { invoice: invoiceView(result.invoice) })
    case 'replayed': {
      const body = { invoice: invoiceView(result.invoice) }
      return json(201, body, { 'idempotency-replayed': 'true' })
    }
    case 'cart_changed': {
      const reply = problem('cart_changed')
      return { ...reply, body: { ...(reply.body as ProblemBody), cart: cartView(result.cart) } }
    }
    case 'cart_empty':
      return problem('cart_empty')
    case 'key_reused':
      return problem('idempotency_key_reused')
  }
}
