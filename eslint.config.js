import prettier from 'eslint-config-prettier'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Imports that files of a folder may not have (docs/architecture.md). */
const forbid = (files, ...patterns) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: patterns.map(([group, message]) => ({ group, message, allowTypeImports: false })),
      },
    ],
  },
})

const adapters = [
  [
    '**/sqlite-database.ts',
    '**/sqlite-reader.ts',
    '**/broker/embedded/**',
    '**/broker/nsq/**',
    '**/payments/simulator/**',
    '**/payments/http/**',
  ],
  'only holdfast.ts names concrete adapters',
]
const drivers = [
  ['better-sqlite3', '**/sqlite/driver.ts', 'nsqjs'],
  'drivers stay inside their adapter',
]
const express = [['express'], 'only src/api names Express']
const environment = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'only config.ts reads the environment',
}
const clock = {
  selector:
    "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
  message: 'only clock.ts reads the time',
}

const chance = {
  selector: "MemberExpression[object.name='Math'][property.name='random']",
  message: 'draw from test/support/random.ts with a seed: a merge must not depend on chance',
}
const unseededProperty = {
  selector:
    "CallExpression[callee.object.name='fc'][callee.property.name=/^(assert|check|sample)$/][arguments.length=1]",
  message: 'give { seed: testSeed }: a merge must not depend on chance',
}

const spreadLiteral = {
  selector: 'SpreadElement > ObjectExpression.argument, SpreadElement > ArrayExpression.argument',
  message: 'write the members of the literal in place',
}

export default defineConfig(
  globalIgnores(['dist', 'data', 'out', 'coverage', 'node_modules']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: [] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Services are closures made by factories; there is no `this` to lose.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-depth': ['error', 3],
      'max-params': ['error', 4],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', spreadLiteral],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', environment, clock, spreadLiteral],
      'no-console': 'error',
    },
  },
  {
    files: ['src/config.ts', 'src/clock.ts'],
    rules: { 'no-restricted-syntax': ['error', spreadLiteral] },
  },
  {
    files: ['**/*.test.ts', '**/*.contract.ts', 'test/**', 'functional_test/**', 'scripts/**'],
    rules: {
      'max-lines-per-function': 'off',
      'no-restricted-syntax': ['error', spreadLiteral],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.test.ts', '**/*.contract.ts', 'test/**', 'functional_test/**'],
    rules: { 'no-restricted-syntax': ['error', spreadLiteral, chance, unseededProperty] },
  },
  forbid(['src/*.ts'], adapters, drivers, express),
  forbid(
    ['src/domain/**'],
    [['../*', '../**', '!./*', 'node:*'], 'domain imports nothing'],
    drivers,
    express,
  ),
  forbid(['src/api/**'], adapters, drivers, [
    ['**/consumers/**', '**/cron/**'],
    'api, consumers and cron meet in messaging/ and db/',
  ]),
  forbid(['src/consumers/**'], adapters, drivers, express, [
    ['**/api/**', '**/cron/**'],
    'api, consumers and cron meet in messaging/ and db/',
  ]),
  forbid(['src/cron/**'], adapters, drivers, express, [
    ['**/api/**', '**/consumers/**'],
    'api, consumers and cron meet in messaging/ and db/',
  ]),
  forbid(['src/db/**', 'src/broker/**', 'src/payments/**', 'src/audit/**'], express, [
    ['**/api/**', '**/consumers/**', '**/cron/**'],
    'adapters know nobody above them',
  ]),
  forbid(['functional_test/**'], [['**/src/**', '../src/*'], 'black box: nothing from src']),
  forbid(
    ['test/chaos/**'],
    [['**/src/**/*.ts', '!**/src/db/sqlite/driver.ts'], 'black box: of src only the SQLite driver'],
  ),
  {
    files: ['src/holdfast.ts', '**/*.test.ts', '**/*.contract.ts', 'test/support/**'],
    rules: { 'no-restricted-imports': 'off' },
  },
  prettier,
)
