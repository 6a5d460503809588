import { all, run, type Script } from './database.ts'

/** The record of an operator's action, done or refused. */
export interface AdminAction {
  readonly id: number
  /** Method and path in OpenAPI's form. */
  readonly route: string
  /** Path parameters and body, JSON. */
  readonly details: string
  /** `done`, or the code of the refusal. */
  readonly outcome: string
  readonly requestId: string
  /** The address of the client. */
  readonly address: string
  /** Epoch ms. */
  readonly createdAt: number
}

const insertAction = `
  insert into admin_actions (route, details, outcome, request_id, address, created_at)
  values (?, ?, ?, ?, ?, ?)`

/**
 * Records an action; call it in the transaction of the action. Rows are never changed and never
 * deleted.
 */
export function* recordAdminAction(action: Omit<AdminAction, 'id'>): Script<void> {
  const { route, details, outcome, requestId, address, createdAt } = action
  yield* run(insertAction, route, details, outcome, requestId, address, createdAt)
}

const selectActions = `
  select id, route, details, outcome, request_id as "requestId", address,
    created_at as "createdAt"
  from admin_actions where id < ? order by id desc limit ?`

/** Lists actions, newest first; `before` is the last id of the previous page. */
export function* listAdminActions(page: {
  readonly before: number
  readonly limit: number
}): Script<readonly AdminAction[]> {
  return yield* all<AdminAction>(selectActions, page.before, page.limit)
}
