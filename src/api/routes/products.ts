import { readStock } from '../../db/catalogue.ts'
import { ProblemError } from '../http/problem.ts'
import { defineRoute } from '../http/route.ts'
import type { SharedPages } from '../http/shared-pages.ts'
import * as schemas from './schemas.ts'

/** Makes the public route of a product's stock. Its answer is shared among all who ask. */
export function productRoutes({ sharedPages }: { readonly sharedPages: SharedPages }) {
  const showStock = defineRoute({
    method: 'get',
    path: '/v1/products/{id}/stock',
    access: 'anyone',
    tag: 'sales',
    summary: 'Show the stock of a product (API A)',
    description: 'How many units there are, and how many of them are available, held and sold.',
    params: schemas.idParams,
    conditional: true,
    responses: { 200: { description: 'The stock', schema: schemas.stock } },
    problems: ['not_found'],
    async handle({ params }) {
      const page = await sharedPages.answer(`stock ${params.id}`, {
        read: () => readStock(params.id),
        view: (stock) => stock,
        changesAt: () => Infinity,
      })
      if (page === undefined) throw new ProblemError('not_found')
      return page
    },
  })

  return [showStock]
}
