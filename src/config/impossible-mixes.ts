import { resolve } from 'node:path'
import { limits } from '../domain/limits.ts'
import { externalIssuerNames, hasExternalIssuer, type Values } from './environment.ts'
import { productionProblems } from './production.ts'

/**
 * Values that are right alone and cannot work together. Each line names the variable to change and says
 * why; the program does not start with any of them.
 */
export function impossibleMixes(values: Values): string[] {
  return [
    ...brokerProblems(values),
    ...webhookProblems(values),
    ...processProblems(values),
    ...issuerProblems(values),
    ...portProblems(values),
    ...pathProblems(values),
    ...waitProblems(values),
    ...(values.NODE_ENV === 'production' ? productionProblems(values) : []),
  ]
}

function brokerProblems(values: Values): string[] {
  const { BROKER, ROLE, NSQD_TCP_ADDRESSES: tcp, NSQD_HTTP_ADDRESSES: http } = values
  const problems: string[] = []
  if (BROKER === 'embedded' && ROLE !== 'all') {
    problems.push(
      `BROKER=embedded lives inside one process, so ROLE=${ROLE} could never be reached: use BROKER=nsq, or ROLE=all`,
    )
  }
  if (BROKER === 'nsq' && tcp.length === 0) {
    problems.push('NSQD_TCP_ADDRESSES: BROKER=nsq needs at least one')
  }
  if (tcp.length !== http.length) {
    problems.push(
      'NSQD_TCP_ADDRESSES and NSQD_HTTP_ADDRESSES name the same nsqds in the same order',
    )
  }
  const both = http.find((address) => tcp.includes(address))
  if (both !== undefined) {
    problems.push(
      `NSQD_HTTP_ADDRESSES: ${both} is in NSQD_TCP_ADDRESSES, too; an nsqd has two ports, usually 4150 for TCP and 4151 for HTTP`,
    )
  }
  return problems
}

function webhookProblems(values: Values): string[] {
  if (values.PAYMENT_PROVIDER_URL === undefined) return []
  return (values.PAYMENT_WEBHOOK_SECRET ?? values.JWT_SECRET) === undefined
    ? [
        'PAYMENT_WEBHOOK_SECRET: the provider at PAYMENT_PROVIDER_URL signs its webhooks with it, so it cannot be made here',
      ]
    : []
}

/** Several processes have to agree on secrets, so none of them can make its own. */
function processProblems(values: Values): string[] {
  const isOneOfMany = values.BROKER === 'nsq' && values.ROLE !== 'all'
  const isShared = !hasExternalIssuer(values) || values.MESSAGE_KEYS === undefined
  return isOneOfMany && isShared && values.JWT_SECRET === undefined
    ? [
        `JWT_SECRET: with ROLE=${values.ROLE} every process needs the same one, or tokens and messages of one are refused by the others`,
      ]
    : []
}

function issuerProblems(values: Values): string[] {
  const missing = externalIssuerNames.filter((name) => values[name] === undefined)
  const isExternal = missing.length < externalIssuerNames.length
  if (isExternal && values.LOCAL_ISSUER === 'on') {
    return ['LOCAL_ISSUER=on and JWKS_URL: tokens come from one issuer, not from two']
  }
  if (isExternal) return missing.map((name) => `${name}: an external issuer needs it, too`)
  return values.LOCAL_ISSUER === 'off'
    ? ['LOCAL_ISSUER=off: without JWT_ISSUER, JWT_AUDIENCE and JWKS_URL nobody could sign in']
    : []
}

function portProblems({ PORT, ADMIN_PORT }: Values): string[] {
  return ADMIN_PORT === PORT && PORT !== 0
    ? ['ADMIN_PORT: it is PORT; leave it out to serve everything on one port']
    : []
}

function pathProblems(values: Values): string[] {
  const { DATABASE_PATH, PAYMENT_SIMULATOR_PATH, PAYMENT_PROVIDER_URL } = values
  if (PAYMENT_PROVIDER_URL !== undefined) return []
  return resolve(DATABASE_PATH) === resolve(PAYMENT_SIMULATOR_PATH)
    ? ['PAYMENT_SIMULATOR_PATH: it is DATABASE_PATH; the simulated provider keeps its own books']
    : []
}

/**
 * A shopper can neither wait longer than a stop waits for them, nor longer than their request may take
 * stock. `NODE_ENV=test` may outwait the stop: its suites hold requests open while they break things.
 */
function waitProblems(values: Values): string[] {
  const { NODE_ENV, ADD_TO_CART_WAIT_MS: waitMs, ADD_TO_CART_MAX_AGE_MS: maxAgeMs } = values
  const problems: string[] = []
  if (waitMs > limits.addToCartWaitMsMax && NODE_ENV !== 'test') {
    problems.push(
      `ADD_TO_CART_WAIT_MS=${waitMs} is longer than a stop waits for those who are waiting: at most ${limits.addToCartWaitMsMax} is possible, later outcomes are read at the 202's statusUrl`,
    )
  }
  if (waitMs > maxAgeMs) {
    problems.push(
      `ADD_TO_CART_WAIT_MS=${waitMs} is longer than ADD_TO_CART_MAX_AGE_MS=${maxAgeMs}, after which a request takes no stock: lower the one or raise the other`,
    )
  }
  return problems
}
