import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig, secretsOf, type Config } from './config.ts'

const secret = 's'.repeat(32)
/** Secrets that production accepts; all of them differ. */
const productionSecrets = { ADMIN_TOKEN: 'a'.repeat(32), JWT_SECRET: 'j'.repeat(32) }

function load(environment: Readonly<Record<string, string>> = {}): Config {
  return loadConfig(environment, () => 'made-for-this-run')
}

/** Returns the lines of the refusal. */
function reasons(environment: Readonly<Record<string, string>>): string[] {
  try {
    load(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('starts from nothing: one process, embedded broker, secrets made and named', () => {
    const config = load()
    expect(config).toMatchObject({ nodeEnv: 'development', role: 'all', broker: 'embedded' })
    expect(config).toMatchObject({ host: '127.0.0.1', port: 3000, holdSeconds: 300 })
    expect(config.madeSecrets).toEqual(['ADMIN_TOKEN', 'JWT_SECRET'])
    expect(config.jwtSecret).toBe('made-for-this-run')
    expect(config.nodeId).toBe('all-made-for-t')
  })

  it('is frozen', () => {
    const config = load()
    expect(Object.isFrozen(config)).toBe(true)
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError)
  })

  it('takes an empty value for none', () => {
    expect(load({ PORT: '', JWT_SECRET: '', NODE_ID: '' })).toEqual(load())
  })

  it('does not claim to have made a secret that was given', () => {
    const config = load({ ADMIN_TOKEN: secret })
    expect(config.adminToken).toBe(secret)
    expect(config.madeSecrets).toEqual(['JWT_SECRET'])
  })

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', 'http'],
    ['ROLE', 'both'],
    ['BROKER', 'kafka'],
    ['NODE_ENV', 'prod'],
    ['NODE_ID', 'with space'],
    ['NODE_ID', 'x'.repeat(33)],
    ['HOLD_SECONDS', '0'],
    ['HOLD_SECONDS', '86401'],
    ['ADD_TO_CART_WAIT_MS', '0'],
    ['ADD_TO_CART_MAX_AGE_MS', 'NaN'],
    ['ADD_TO_CART_ROUTING', 'random'],
    ['ADD_TO_CART_USER_RATE', '-1'],
    ['PENDING_REPLIES_MAX', '0'],
    ['LOG_LEVEL', 'loud'],
    ['NSQD_TCP_ADDRESSES', '127.0.0.1'],
    ['NSQD_TCP_ADDRESSES', '127.0.0.1:0'],
    ['NSQD_TCP_ADDRESSES', '127.0.0.1:65536'],
    ['NSQLOOKUPD_HTTP_ADDRESSES', 'http://lookup:4161'],
    ['NSQLOOKUPD_HTTP_ADDRESSES', 'lookup:4161,lookup:4161'],
    ['DATABASE_PATH', ':memory:'],
    ['PAYMENT_SIMULATOR_PATH', ':memory:'],
    ['ADMIN_TOKEN', 'two words'],
    ['ADMIN_TOKEN', 'gehe\u00efm'],
  ])('refuses %s=%s, naming the variable', (name, value) => {
    const lines = reasons({ [name]: value })
    expect(lines).not.toEqual([])
    expect(lines.every((line) => line.startsWith(name))).toBe(true)
  })

  it('says everything that is wrong at once', () => {
    expect(reasons({ PROT: '1', ROLE: 'x', BROKER: 'x' })).toHaveLength(3)
  })

  it.each([
    ['PORT', 'from 0 to 65535'],
    ['ADMIN_PORT', 'from 0 to 65535'],
    ['TRUSTED_PROXIES', 'from 0 to 10'],
    ['HOLD_SECONDS', 'from 1 to 86400'],
    ['ADD_TO_CART_WAIT_MS', 'from 1 to 60000'],
    ['ADD_TO_CART_MAX_AGE_MS', 'from 1 to 600000'],
    ['ADD_TO_CART_USER_RATE', 'from 0 to 10000'],
    ['SHOPPER_RATE', 'from 0 to 10000'],
    ['ADDRESS_RATE', 'from 0 to 10000'],
    ['PENDING_REPLIES_MAX', 'from 1 to 1000000'],
  ])('says in words what %s wants and what it got', (name, range) => {
    for (const value of ['abc', '1e3', '0x10', '-1', '9999999']) {
      const [line = '', ...others] = reasons({ [name]: value })
      expect(line.replace('whole number', 'number')).toBe(
        `${name}: a number ${range} is wanted, not "${value}"`,
      )
      expect(others).toEqual([])
    }
  })

  it('lists what a variable of few values may be', () => {
    expect(reasons({ ROLE: 'API' })).toEqual(['ROLE: one of all, api, worker is wanted, not "API"'])
  })

  it('shows a long value only in part', () => {
    expect(reasons({ PORT: 'x'.repeat(500) }).join().length).toBeLessThan(120)
  })
})

describe('lists of addresses', () => {
  it('are separated by commas, spaces and empty entries do not count', () => {
    const config = load({
      NSQD_TCP_ADDRESSES: ' a:1 , [::1]:2,',
      NSQD_HTTP_ADDRESSES: 'a:3,[::1]:4',
      NSQLOOKUPD_HTTP_ADDRESSES: 'lookup:4161',
    })
    expect(config.nsqdTcpAddresses).toEqual(['a:1', '[::1]:2'])
    expect(config.nsqlookupdHttpAddresses).toEqual(['lookup:4161'])
  })
})

describe('message keys', () => {
  const first = 'new:0123456789abcdef'
  const second = 'old:fedcba9876543210'

  it('keep their order: the first signs', () => {
    const { messageKeys } = load({ MESSAGE_KEYS: `${first}, ${second}` })
    expect(messageKeys.map(({ id }) => id)).toEqual(['new', 'old'])
  })

  it('may have colons in the secret', () => {
    const { messageKeys } = load({ MESSAGE_KEYS: 'k:0123:4567:89ab:cdef' })
    expect(messageKeys).toEqual([{ id: 'k', secret: '0123:4567:89ab:cdef' }])
  })

  it('are derived from the JWT secret when none are given', () => {
    const keyed = load({ JWT_SECRET: secret }).messageKeys
    expect(keyed).toEqual(load({ JWT_SECRET: secret }).messageKeys)
    expect(keyed).not.toEqual(load({ JWT_SECRET: 'another' }).messageKeys)
  })

  it.each([
    ['a short secret', 'k:short'],
    ['no id', ':0123456789abcdef'],
    ['an id with a dot, which ends it in the envelope', 'a.b:0123456789abcdef'],
    ['one id twice', `${first},${first}`],
    ['an empty entry', `${first},,`],
    ['nine keys', Array.from({ length: 9 }, (_, id) => `${id}:0123456789abcdef`).join()],
  ])('are refused with %s, without telling a secret', (_, value) => {
    const lines = reasons({ MESSAGE_KEYS: value })
    expect(lines.join()).toMatch(/^MESSAGE_KEYS/)
    expect(lines.join()).not.toContain('0123456789abcdef')
  })
})

describe('the payment provider', () => {
  const url = 'http://127.0.0.1:4242'

  it('is inside the process unless it has a URL, and its webhooks have a secret of their own', () => {
    const config = load({ JWT_SECRET: secret })
    expect(config.paymentProviderUrl).toBeUndefined()
    expect(config.paymentWebhookSecrets).toEqual([expect.not.stringMatching(`^${secret}$`)])
    expect(config.paymentWebhookSecrets[0]).toContain(secret)
    const given = load({ PAYMENT_WEBHOOK_SECRET: secret })
    expect(given.paymentWebhookSecrets).toEqual([secret])
  })

  it.each(['ftp://provider', 'provider:4242', '/provider'])(
    'is not at %s',
    (PAYMENT_PROVIDER_URL) => {
      expect(reasons({ PAYMENT_PROVIDER_URL, JWT_SECRET: secret })).toEqual([
        expect.stringMatching(/^PAYMENT_PROVIDER_URL/),
      ])
    },
  )

  it('elsewhere needs a secret it can know', () => {
    expect(reasons({ PAYMENT_PROVIDER_URL: url })).toEqual([
      expect.stringMatching(/^PAYMENT_WEBHOOK_SECRET/),
    ])
    expect(reasons({ PAYMENT_PROVIDER_URL: url, JWT_SECRET: secret })).toEqual([])
    expect(reasons({ PAYMENT_PROVIDER_URL: url, PAYMENT_WEBHOOK_SECRET: secret })).toEqual([])
  })

  it('elsewhere in production needs a long one of its own', () => {
    const production = { NODE_ENV: 'production', LOCAL_ISSUER: 'on', ...productionSecrets }
    const elsewhere = { ...production, PAYMENT_PROVIDER_URL: url }
    expect(reasons(production)).toEqual([])
    expect(reasons(elsewhere)).toEqual([expect.stringMatching(/^PAYMENT_WEBHOOK_SECRET/)])
    const short = { ...elsewhere, PAYMENT_WEBHOOK_SECRET: secret.slice(1) }
    expect(reasons(short)).toEqual([expect.stringMatching(/^PAYMENT_WEBHOOK_SECRET/)])
    expect(reasons({ ...elsewhere, PAYMENT_WEBHOOK_SECRET: secret })).toEqual([])
  })

  it('has two secrets while one replaces the other; each is long, and none is logged', () => {
    const [next, old] = ['n'.repeat(32), 'o'.repeat(32)]
    const config = load({ PAYMENT_WEBHOOK_SECRET: `${next}, ${old}` })
    expect(config.paymentWebhookSecrets).toEqual([next, old])
    expect(secretsOf(config)).toEqual(expect.arrayContaining([next, old]))
    const production = { NODE_ENV: 'production', LOCAL_ISSUER: 'on', ...productionSecrets }
    const elsewhere = { ...production, PAYMENT_PROVIDER_URL: url }
    const problem = [expect.stringMatching(/^PAYMENT_WEBHOOK_SECRET/)]
    expect(reasons({ ...elsewhere, PAYMENT_WEBHOOK_SECRET: `${next},${old}` })).toEqual([])
    expect(reasons({ ...elsewhere, PAYMENT_WEBHOOK_SECRET: `${next},${old.slice(1)}` })).toEqual(
      problem,
    )
    for (const list of [`${next},`, `,${next}`, `${next},short`, `${next},${next}`]) {
      expect(reasons({ PAYMENT_WEBHOOK_SECRET: list })).toEqual(problem)
    }
    const shared = `${next},${productionSecrets.JWT_SECRET}`
    expect(reasons({ ...elsewhere, PAYMENT_WEBHOOK_SECRET: shared })).toEqual(problem)
  })
})

describe('mixes that cannot work', () => {
  it.each(['api', 'worker'])('ROLE=%s with the embedded broker', (ROLE) => {
    expect(reasons({ ROLE })).toEqual([expect.stringMatching(/^BROKER=embedded.*ROLE=all$/)])
  })

  it('nsq without an nsqd', () => {
    const none = { NSQD_TCP_ADDRESSES: ',', NSQD_HTTP_ADDRESSES: ',' }
    expect(reasons({ BROKER: 'nsq', ...none })).toEqual([
      'NSQD_TCP_ADDRESSES: BROKER=nsq needs at least one',
    ])
  })

  it('nsqds with more TCP than HTTP addresses', () => {
    expect(reasons({ BROKER: 'nsq', NSQD_TCP_ADDRESSES: 'a:1,b:1' })).toEqual([
      expect.stringContaining('same nsqds in the same order'),
    ])
  })

  it('an nsqd with one port for both', () => {
    const same = { NSQD_TCP_ADDRESSES: 'a:1,b:2', NSQD_HTTP_ADDRESSES: 'a:3,b:2' }
    expect(reasons({ BROKER: 'nsq', ...same })).toEqual([
      expect.stringMatching(/^NSQD_HTTP_ADDRESSES: b:2 is in NSQD_TCP_ADDRESSES, too/),
    ])
  })

  it('shoppers who wait longer than a stop waits for them', () => {
    expect(reasons({ ADD_TO_CART_WAIT_MS: '5000' })).toEqual([])
    expect(reasons({ ADD_TO_CART_WAIT_MS: '5001' })).toEqual([
      expect.stringMatching(/^ADD_TO_CART_WAIT_MS=5001 is longer than a stop waits/),
    ])
  })

  it('shoppers who wait longer than their request may take stock', () => {
    const maxAge = { ADD_TO_CART_MAX_AGE_MS: '1000' }
    expect(reasons({ ADD_TO_CART_WAIT_MS: '1000', ...maxAge })).toEqual([])
    expect(reasons({ ADD_TO_CART_WAIT_MS: '1001', ...maxAge })).toEqual([
      expect.stringMatching(/^ADD_TO_CART_WAIT_MS=1001 is longer than ADD_TO_CART_MAX_AGE_MS=1000/),
    ])
    expect(reasons(maxAge)).toHaveLength(1)
  })

  it.each(['api', 'worker'])('ROLE=%s over nsq with a JWT secret of its own', (ROLE) => {
    expect(reasons({ BROKER: 'nsq', ROLE })).toEqual([expect.stringMatching(/^JWT_SECRET/)])
    expect(reasons({ BROKER: 'nsq', ROLE, JWT_SECRET: secret })).toEqual([])
  })

  it('but all roles in one process over nsq can make theirs', () => {
    expect(reasons({ BROKER: 'nsq' })).toEqual([])
  })
})

describe('the issuer of tokens', () => {
  const external = {
    JWT_ISSUER: 'https://login.example.com/',
    JWT_AUDIENCE: 'flash-sales',
    JWKS_URL: 'https://login.example.com/jwks.json',
  }

  it('is local unless an external one is named', () => {
    expect(load().externalIssuer).toBeUndefined()
    expect(load(external)).toMatchObject({
      externalIssuer: {
        issuer: external.JWT_ISSUER,
        audience: external.JWT_AUDIENCE,
        jwksUrl: external.JWKS_URL,
      },
      madeSecrets: ['ADMIN_TOKEN'],
    })
  })

  it.each(Object.keys(external))('is not half external: %s is missing', (name) => {
    expect(reasons({ ...external, [name]: '' })).toEqual([
      `${name}: an external issuer needs it, too`,
    ])
  })

  it('is one, and there is one', () => {
    expect(reasons({ ...external, LOCAL_ISSUER: 'on' })).toHaveLength(1)
    expect(reasons({ LOCAL_ISSUER: 'off' })).toHaveLength(1)
    expect(reasons({ ...external, LOCAL_ISSUER: 'off' })).toEqual([])
    expect(reasons({ LOCAL_ISSUER: 'on' })).toEqual([])
  })

  it('needs no JWT secret in several processes when it is external and messages have their keys', () => {
    const apart = { BROKER: 'nsq', ROLE: 'api', ...external }
    expect(reasons(apart)).toEqual([expect.stringMatching(/^JWT_SECRET/)])
    expect(reasons({ ...apart, MESSAGE_KEYS: 'k:0123456789abcdef' })).toEqual([])
  })

  it.each(['ftp://login.example.com/', 'login.example.com', 'file:///etc/jwks.json'])(
    'has no keys at %s',
    (JWKS_URL) => {
      expect(reasons({ ...external, JWKS_URL })).toEqual([expect.stringMatching(/^JWKS_URL/)])
    },
  )
})

it('an admin port of its own is not the port of everybody', () => {
  expect(load({ ADMIN_PORT: '3001' }).adminPort).toBe(3001)
  expect(reasons({ ADMIN_PORT: '3000' })).toEqual([expect.stringMatching(/^ADMIN_PORT/)])
  expect(reasons({ PORT: '0', ADMIN_PORT: '0' })).toEqual([])
})

it('the simulated provider has a file of its own, however it is spelled', () => {
  const line = expect.stringMatching(/^PAYMENT_SIMULATOR_PATH: it is DATABASE_PATH/) as string
  const same = { DATABASE_PATH: 'data/one.db', PAYMENT_SIMULATOR_PATH: './data/../data/one.db' }
  expect(reasons(same)).toEqual([line])
  const elsewhere = { PAYMENT_PROVIDER_URL: 'http://127.0.0.1:4242', JWT_SECRET: secret }
  expect(reasons({ ...same, ...elsewhere })).toEqual([])
})

it('no refusal repeats a secret', () => {
  const planted = 'planted-canary'
  const lines = reasons({
    MESSAGE_KEYS: planted,
    JWKS_URL: planted,
    NSQD_TCP_ADDRESSES: planted,
    ADMIN_TOKEN: planted,
    JWT_SECRET: planted,
    NODE_ENV: 'production',
  })
  expect(lines.length).toBeGreaterThan(2)
  expect(lines.join()).not.toContain(planted)
})

describe('production', () => {
  const secrets = {
    NODE_ENV: 'production',
    LOCAL_ISSUER: 'on',
    ...productionSecrets,
  }
  const external = {
    NODE_ENV: 'production',
    ADMIN_TOKEN: secret,
    JWT_ISSUER: 'https://login.example.com/',
    JWT_AUDIENCE: 'flash-sales',
  }

  it('runs with secrets of 32 characters, and makes none', () => {
    expect(load(secrets).madeSecrets).toEqual([])
  })

  it('refuses to run without secrets', () => {
    const lines = reasons({ NODE_ENV: 'production', LOCAL_ISSUER: 'on' })
    expect(lines.map((line) => line.split(':')[0])).toEqual(['ADMIN_TOKEN', 'JWT_SECRET'])
  })

  it.each(['ADMIN_TOKEN', 'JWT_SECRET'])('refuses a shorter %s', (name) => {
    const lines = reasons({ ...secrets, [name]: secret.slice(1) })
    expect(lines).toEqual([`${name}: production needs one of at least 32 characters`])
  })

  it.each([
    ['JWT_SECRET', productionSecrets.ADMIN_TOKEN, 'ADMIN_TOKEN'],
    ['PAYMENT_WEBHOOK_SECRET', productionSecrets.JWT_SECRET, 'JWT_SECRET'],
    ['MESSAGE_KEYS', `k:${productionSecrets.ADMIN_TOKEN}`, 'ADMIN_TOKEN'],
    ['MESSAGE_KEYS', `new:${secret},old:${secret}`, 'MESSAGE_KEYS (new)'],
  ])('refuses a %s that is another secret, too', (name, value, twin) => {
    const lines = reasons({ ...secrets, [name]: value })
    expect(lines).toEqual([expect.stringContaining(`another secret there than in ${twin}`)])
    expect(lines[0]?.startsWith(name)).toBe(true)
    expect(reasons({ [name]: value, ADMIN_TOKEN: productionSecrets.ADMIN_TOKEN })).toEqual([])
  })

  it('demands message keys over nsq', () => {
    const nsq = { ...secrets, BROKER: 'nsq' }
    expect(reasons(nsq)).toEqual(['MESSAGE_KEYS: production needs them with BROKER=nsq'])
    expect(reasons({ ...nsq, MESSAGE_KEYS: `new:${secret},old:${secret}2` })).toEqual([])
    expect(reasons({ ...nsq, MESSAGE_KEYS: `new:${secret},old:${secret.slice(1)}` })).toEqual([
      'MESSAGE_KEYS: production needs secrets of at least 32 characters, old has fewer',
    ])
  })

  it('does not let anybody register by accident', () => {
    expect(reasons({ ...secrets, LOCAL_ISSUER: '' })).toEqual([
      expect.stringMatching(/^LOCAL_ISSUER: .*LOCAL_ISSUER=on/),
    ])
    const worker = { BROKER: 'nsq', ROLE: 'worker', MESSAGE_KEYS: `k:${secret}` }
    expect(reasons({ ...secrets, ...worker, LOCAL_ISSUER: '' })).toEqual([])
  })

  it('with an external issuer needs no JWT secret, and keys nobody can change on the way', () => {
    const JWKS_URL = 'https://login.example.com/jwks.json'
    expect(reasons({ ...external, JWKS_URL })).toEqual([])
    expect(reasons({ ...external, JWKS_URL: 'http://127.0.0.1:9000/jwks' })).toEqual([])
    for (const plain of ['http://login.example.com/jwks', 'http://127.0.0.1.evil.example/jwks']) {
      expect(reasons({ ...external, JWKS_URL: plain })).toEqual([
        expect.stringMatching(/^JWKS_URL: production needs https/),
      ])
    }
  })

  it('limits what one shopper may send, unless told otherwise', () => {
    expect(load(secrets).shopperRate).toBe(100)
    expect(load({ ...secrets, SHOPPER_RATE: '0' }).shopperRate).toBe(0)
    expect(load().shopperRate).toBe(0)
  })
})
