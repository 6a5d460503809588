import { readStock } from '../../db/catalogue.ts'
import type { Database } from '../../db/database.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'

export function productRoutes({ database }: { readonly database: Database }) {
  const showStock = defineRoute({
    method: 'get',
    path: '/v1/products/{id}/stock',
    access: 'anyone',
    tag: 'sales',
    summary: 'Stock of a product now (API A)',
    params: schemas.idParams,
    responses: { 200: { description: 'The stock', schema: schemas.stock } },
    problems: ['not_found'],
    async handle({ params }) {
      const stock = await database.read(() => readStock(params.id))
      if (stock === undefined) throw new ProblemError('not_found')
      return json(200, stock)
    },
  })

  return [showStock]
}
