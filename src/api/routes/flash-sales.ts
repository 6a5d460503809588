import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { findFlashSale, listFlashSales } from '../../db/flash-sales.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'
import { flashSaleView } from './views.ts'

export interface FlashSaleRoutesOptions {
  readonly database: Database
  readonly clock: Clock
}

export function flashSaleRoutes({ database, clock }: FlashSaleRoutesOptions) {
  const list = defineRoute({
    method: 'get',
    path: '/v1/flash-sales',
    access: 'anyone',
    tag: 'sales',
    summary: 'Flash sales, newest first',
    query: schemas.pageQuery,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.flashSale) } },
    async handle({ query: { limit, cursor } }) {
      const before = cursor ?? Number.MAX_SAFE_INTEGER
      const sales = await database.read(() => listFlashSales({ before, limit }))
      const last = sales.length === limit ? sales.at(-1) : undefined
      const nextCursor = last === undefined ? null : String(last.id)
      return json(200, { items: sales.map((sale) => flashSaleView(sale, clock.now())), nextCursor })
    },
  })

  const show = defineRoute({
    method: 'get',
    path: '/v1/flash-sales/{id}',
    access: 'anyone',
    tag: 'sales',
    summary: 'One flash sale with its products',
    params: schemas.idParams,
    responses: { 200: { description: 'The sale', schema: schemas.flashSale } },
    problems: ['not_found'],
    async handle({ params }) {
      const sale = await database.read(() => findFlashSale(params.id))
      if (sale === undefined) throw new ProblemError('not_found')
      return json(200, flashSaleView(sale, clock.now()))
    },
  })

  return [list, show]
}
