import { listAdminActions } from '../../db/admin-actions.ts'
import type { Database } from '../../db/database.ts'
import { defineRoute, json } from '../http/route.ts'
import * as schemas from './schemas.ts'
import { adminActionView } from './views.ts'

export function adminActionRoutes({ database }: { readonly database: Database }) {
  const list = defineRoute({
    method: 'get',
    path: '/v1/admin/actions',
    access: 'admin',
    tag: 'admin',
    summary: 'List the actions of operators',
    description:
      'Every change that an operator made or was refused, newest first. A row is written in the transaction of its action and stays for ever.',
    query: schemas.pageQuery,
    responses: { 200: { description: 'A page', schema: schemas.page(schemas.adminAction) } },
    async handle({ query: { limit, cursor } }) {
      const before = cursor ?? Number.MAX_SAFE_INTEGER
      const found = await database.read(() => listAdminActions({ before, limit }))
      const last = found.length === limit ? found.at(-1) : undefined
      const nextCursor = last === undefined ? null : String(last.id)
      return json(200, { items: found.map(adminActionView), nextCursor })
    },
  })
  return [list]
}
