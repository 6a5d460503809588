import { findFlashSale, type FlashSaleRow } from '../../db/flash-sales.ts'
import { listFlashSales, type ListedFlashSale } from '../../db/flash-sale-list.ts'
import { limits } from '../../domain/limits.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute } from '../http/route.ts'
import type { SharedPages } from '../http/shared-pages.ts'
import * as schemas from './schemas.ts'
import { flashSaleView, listedFlashSaleView } from './views.ts'

/** Makes the public routes of the sales. Both share an answer among all who ask. */
export function flashSaleRoutes({ sharedPages }: { readonly sharedPages: SharedPages }) {
  return [list(sharedPages), show(sharedPages)]
}

const productsMax = limits.productsPerListedSaleMax

function list(sharedPages: SharedPages) {
  return defineRoute({
    method: 'get',
    path: '/v1/flash-sales',
    access: 'anyone',
    tag: 'sales',
    summary: 'List flash sales',
    description: `Sales that are not over, those that end first coming first; others by their status. Each has its first ${productsMax} products.`,
    query: schemas.flashSalesQuery,
    conditional: true,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.listedFlashSale) } },
    async handle({ query: { status, limit, cursor } }) {
      const key = ['list', status, limit, cursor?.endsAt, cursor?.id].join(' ')
      const page = await sharedPages.answer(key, {
        read: (now) => listFlashSales({ status, limit, after: cursor, productsMax, now }),
        view: (sales, now) => ({
          items: sales.map((sale) => listedFlashSaleView(sale, now)),
          nextCursor: nextCursor(sales, limit),
        }),
        changesAt,
      })
      if (page === undefined) throw new ProblemError('not_found')
      return page
    },
  })
}

function nextCursor(sales: readonly ListedFlashSale[], limit: number): string | null {
  const last = sales.length === limit ? sales.at(-1) : undefined
  return last === undefined ? null : `${last.endsAt}-${last.id}`
}

function show(sharedPages: SharedPages) {
  return defineRoute({
    method: 'get',
    path: '/v1/flash-sales/{id}',
    access: 'anyone',
    tag: 'sales',
    summary: 'Show a flash sale',
    description: 'One flash sale with all its products and what is available of each.',
    params: schemas.idParams,
    conditional: true,
    responses: { 200: { description: 'The sale', schema: schemas.flashSale } },
    problems: ['not_found'],
    async handle({ params }) {
      const page = await sharedPages.answer(`sale ${params.id}`, {
        read: () => findFlashSale(params.id),
        view: flashSaleView,
        changesAt: (sale, now) => changesAt([sale], now),
      })
      if (page === undefined) throw new ProblemError('not_found')
      return page
    },
  })
}

/** When the first of the sales starts or ends, epoch ms; Infinity when nothing is to come. */
function changesAt(sales: readonly FlashSaleRow[], now: number): number {
  const moments = sales.flatMap(({ startsAt, endsAt }) => [startsAt, endsAt])
  return Math.min(...moments.filter((moment) => moment > now))
}
