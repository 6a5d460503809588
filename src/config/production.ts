import { externalIssuerNames, type Values } from './environment.ts'

const secretNames = ['ADMIN_TOKEN', 'JWT_SECRET'] as const
/** Every secret in the documentation of this program is shorter. */
const secretLengthMin = 32
const loopback = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/

/** Everything that development may leave out and production may not. */
export function productionProblems(values: Values): string[] {
  return [
    ...sharedSecrets(values),
    ...shortSecrets(values),
    ...messageKeyProblems(values),
    ...issuerProblems(values),
  ]
}

function shortSecrets(values: Values): string[] {
  const needed = secretNames.filter((name) => name !== 'JWT_SECRET' || isLocal(values))
  const problems = needed
    .filter((name) => (values[name] ?? '').length < secretLengthMin)
    .map((name) => `${name}: production needs one of at least ${secretLengthMin} characters`)
  const webhookSecrets = values.PAYMENT_WEBHOOK_SECRET ?? ['']
  const hasShortOne = webhookSecrets.some(({ length }) => length < secretLengthMin)
  if (values.PAYMENT_PROVIDER_URL !== undefined && hasShortOne) {
    problems.push(
      `PAYMENT_WEBHOOK_SECRET: production needs each of at least ${secretLengthMin} characters with PAYMENT_PROVIDER_URL`,
    )
  }
  return problems
}

function messageKeyProblems({ BROKER, MESSAGE_KEYS }: Values): string[] {
  if (BROKER === 'nsq' && MESSAGE_KEYS === undefined) {
    return ['MESSAGE_KEYS: production needs them with BROKER=nsq']
  }
  const short = (MESSAGE_KEYS ?? []).filter(({ secret }) => secret.length < secretLengthMin)
  return short.map(
    ({ id }) =>
      `MESSAGE_KEYS: production needs secrets of at least ${secretLengthMin} characters, ${id} has fewer`,
  )
}

function issuerProblems(values: Values): string[] {
  const problems: string[] = []
  if (isLocal(values) && values.ROLE !== 'worker' && values.LOCAL_ISSUER !== 'on') {
    problems.push(
      'LOCAL_ISSUER: with the local issuer anybody can register; say LOCAL_ISSUER=on if production wants that, or set JWT_ISSUER, JWT_AUDIENCE and JWKS_URL',
    )
  }
  const url = values.JWKS_URL ?? 'https:'
  if (!url.startsWith('https:') && !loopback.test(url)) {
    problems.push('JWKS_URL: production needs https, or anybody on the way could sign tokens')
  }
  return problems
}

function isLocal(values: Values): boolean {
  return externalIssuerNames.every((name) => values[name] === undefined)
}

/** With one value in two places a reader of one secret knows another. */
function sharedSecrets(values: Values): string[] {
  const { ADMIN_TOKEN, JWT_SECRET, PAYMENT_WEBHOOK_SECRET = [], MESSAGE_KEYS = [] } = values
  const named = [
    ...Object.entries({ ADMIN_TOKEN, JWT_SECRET }),
    ...PAYMENT_WEBHOOK_SECRET.map((secret) => ['PAYMENT_WEBHOOK_SECRET', secret] as const),
  ]
  const keys = MESSAGE_KEYS.map(({ id, secret }) => [`MESSAGE_KEYS (${id})`, secret] as const)
  const given = [...named, ...keys].filter(([, secret]) => secret !== undefined)
  return given.flatMap(([name, secret], index) => {
    const twin = given.slice(0, index).find(([, other]) => other === secret)
    return twin === undefined
      ? []
      : [`${name}: production needs another secret there than in ${twin[0]}`]
  })
}
