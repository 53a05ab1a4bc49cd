import { Kbd, Modal, Table } from '@mantine/core'
import type { Place } from './nav'

/** What the keys do. */
export function Help({
  opened,
  close,
  places,
}: {
  opened: boolean
  close: () => void
  places: Place[]
}) {
  const keys: [string[], string][] = [
    [['/'], 'Search'],
    [['?'], 'This list'],
    [['Esc'], 'Close what is open'],
    ...places
      .filter((place) => place.key)
      .map((place): [string[], string] => [['g', place.key ?? ''], place.label]),
  ]
  return (
    <Modal opened={opened} onClose={close} title="Keyboard">
      <Table withRowBorders={false} verticalSpacing={3}>
        <Table.Tbody>
          {keys.map(([pressed, does]) => (
            <Table.Tr key={does}>
              <Table.Td w={110}>
                {pressed.map((key) => (
                  <Kbd key={key} mr={4}>
                    {key}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{does}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  )
}
