import { describe, expect, test } from 'vitest'
import { UsageError } from '../scripts/command-line.ts'
import { readOptions, type Options } from './options.ts'

const noEnvironment = {}

function read(commandLine: string, environment: Record<string, string> = noEnvironment): Options {
  return readOptions(commandLine.split(' ').filter(Boolean), environment)
}

const hostTarget = {
  kind: 'host',
  origin: 'http://127.0.0.1:3000',
  flashSaleId: 123,
  productId: 456,
  adminToken: 'secret',
}

describe('a host', () => {
  test.each([
    '-flashsale=123 -productID=456 -h http://127.0.0.1:3000 --admin-token secret',
    '-flashsale 123 -productID 456 -h=http://127.0.0.1:3000/ -admin-token secret',
    '--flash-sale=123 --product 456 --host http://127.0.0.1:3000 --admin-token=secret',
    '-flash-sale=123 -product=456 -host 127.0.0.1:3000 -admin-token=secret',
  ])('is described by %s', (commandLine) => {
    expect(read(commandLine).target).toEqual(hostTarget)
  })

  test('takes the admin token of the environment unless one is given', () => {
    const flags = '-flashsale=123 -productID=456 -h http://127.0.0.1:3000'
    const environment = { ADMIN_TOKEN: 'from environment' }
    expect(read(flags, environment).target).toMatchObject({ adminToken: 'from environment' })
    expect(read(`${flags} --admin-token secret`, environment).target).toEqual(hostTarget)
  })
})

test('without a host the program is started, with 10,000 bots for 1,000 units', () => {
  expect(read('')).toMatchObject({
    target: { kind: 'own program', broker: 'embedded', apiNodes: 1, stock: 1000, holdSeconds: 13 },
    bots: 10_000,
    timeoutSeconds: 180,
    reportFolder: null,
  })
})

test("on somebody's host there are fewer", () => {
  expect(read('-flashsale=1 -productID=1 -h http://127.0.0.1 --admin-token t').bots).toBe(500)
})

test('few bots race for few units with short holds', () => {
  expect(read('--bots 500').target).toMatchObject({ stock: 50, holdSeconds: 5 })
  expect(read('--bots 3').target).toMatchObject({ stock: 1 })
})

test('the program can be started with nsqd and several API nodes', () => {
  const { target } = read('--broker nsq --api-nodes 2')
  expect(target).toMatchObject({ broker: 'nsq', apiNodes: 2 })
})

test('a report goes into the folder that is named', () => {
  expect(read('--report out/').reportFolder).toBe('out/')
})

test('a seed is made up when none is given', () => {
  expect(read('--seed 42').seed).toBe(42)
  expect(read('').seed).toBeGreaterThanOrEqual(0)
})

describe('refused, with a reason', () => {
  test.each([
    ['--colour blue', /--colour/],
    ['leftover', /leftover/],
    ['--bots', /--bots/],
    ['--bots 0', /--bots: expected a whole number from 1/],
    ['--bots 1e3', /--bots/],
    ['--bots=-5', /--bots/],
    ['--stock 1.5', /--stock/],
    ['--timeout never', /--timeout/],
    ['-flashsale=1 -productID=1', /--flash-sale needs --host/],
    ['-h http://127.0.0.1 --admin-token t', /--flash-sale and --product/],
    ['-h http://127.0.0.1 -flashsale=1 -productID=1', /ADMIN_TOKEN/],
    ['-h http://127.0.0.1 -flashsale=1 -productID=x --admin-token t', /--product/],
    ['-h ftp://127.0.0.1 -flashsale=1 -productID=1 --admin-token t', /--host/],
    ['-h http:// -flashsale=1 -productID=1 --admin-token t', /--host/],
    ['-h http://127.0.0.1 -flashsale=1 -productID=1 --stock 5', /--stock/],
    ['-h http://127.0.0.1 -flashsale=1 -productID=1 --broker nsq', /--broker/],
    ['--broker kafka', /--broker: expected embedded or nsq/],
    ['--api-nodes 2', /--api-nodes needs --broker nsq/],
    ['--broker nsq --api-nodes 9', /--api-nodes: expected a whole number from 1 to 8/],
    ['--bots 20000', /--bots: an API node takes 16000/],
    ['--report=', /--report/],
  ])('%s', (commandLine, reason) => {
    expect(() => read(commandLine)).toThrow(UsageError)
    expect(() => read(commandLine)).toThrow(reason)
  })
})
