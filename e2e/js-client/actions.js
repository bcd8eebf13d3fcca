'use strict'

const assert = require('node:assert/strict')
const { client, namespace } = require('./connect')

const ECHO = 'function main(args) { return args }'

async function createAndRead () {
  const created = await client.actions.create({ name: 'echo', action: ECHO, params: { who: 'me' } })
  assert.equal(created.namespace, namespace)
  assert.equal(created.version, '0.0.1')
  assert.deepEqual(created.parameters, [{ key: 'who', value: 'me' }])
  const read = await client.actions.get({ name: 'echo' })
  assert.equal(read.exec.code, ECHO)
  const withoutCode = await client.actions.get({ name: 'echo', code: false })
  assert.equal(withoutCode.exec.code, undefined)
  await assert.rejects(client.actions.create({ name: 'echo', action: ECHO }), error => {
    assert.equal(error.statusCode, 409)
    assert.equal(error.error.error, 'resource already exists')
    return true
  })
}

async function updateAndList () {
  const updated = await client.actions.update({ name: 'echo', action: ECHO, annotations: { note: 'new' } })
  assert.equal(updated.version, '0.0.2')
  assert.ok(updated.annotations.some(({ key, value }) => key === 'note' && value === 'new'))
  const list = await client.actions.list()
  assert.deepEqual(list.map(({ name }) => name), ['echo'])
  assert.deepEqual(await client.actions.list({ count: true }), { actions: 1 })
}

async function invoke () {
  const { activationId } = await client.actions.invoke({ name: 'echo' })
  assert.match(activationId, /^[0-9a-f]{32}$/)
  const record = await client.actions.invoke({ name: 'echo', blocking: true, params: { n: 1 } })
  assert.deepEqual(record.response.result, { who: 'me', n: 1 })
  const result = await client.actions.invoke({ name: 'echo', blocking: true, result: true, params: { n: 2 } })
  assert.deepEqual(result, { who: 'me', n: 2 })
}

async function failures () {
  await client.actions.create({ name: 'fail', action: "function main() { return { error: 'sorry' } }" })
  await assert.rejects(client.actions.invoke({ name: 'fail', blocking: true }), error => {
    assert.equal(error.statusCode, 502)
    assert.equal(error.error.response.status, 'application error')
    assert.match(error.message, /sorry/)
    return true
  })
  await assert.rejects(client.actions.get({ name: 'none' }), error => {
    assert.equal(error.statusCode, 404)
    assert.equal(error.error.error, 'The requested resource does not exist.')
    return true
  })
}

async function remove () {
  const removed = await client.actions.delete({ name: 'echo' })
  assert.equal(removed.name, 'echo')
  await assert.rejects(client.actions.delete({ name: 'echo' }), { statusCode: 404 })
}

async function main () {
  await createAndRead()
  await updateAndList()
  await invoke()
  await failures()
  await remove()
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
