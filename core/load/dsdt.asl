/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a guest that a driver cannot probe, for its operating system. The numbers are
 * those of core/load/layout.h. iasl compiles this at build time into gen/core/load/dsdt.h.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "LAMINA", "LAMINAVM", 0x00000001) {
	/* Power-off: the SLP_TYP to write to PM1a_CNT. */
	Name (\_S5, Package (0x04) { 0x05, 0x05, Zero, Zero })

	Scope (\_SB) {
		Device (PCI0) {
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, Zero)
			Name (_BBN, Zero)
			Name (_CRS, ResourceTemplate () {
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0x0000, 0x0000, 0x0000, 0x0000, 0x0001)
				IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0x0000, 0x0000, 0x0CF7, 0x0000, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0x0000, 0x0D00, 0xFFFF, 0x0000, 0xF300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0x00000000, 0xE0000000, 0xFEBFFFFF, 0x00000000, 0x1EC00000)
			})

			Device (COM1) {
				Name (_HID, EisaId ("PNP0501"))
				Name (_UID, One)
				Name (_CRS, ResourceTemplate () {
					IO (Decode16, 0x03F8, 0x03F8, 0x00, 0x08)
					IRQNoFlags () { 4 }
				})
			}

			Device (RTC) {
				Name (_HID, EisaId ("PNP0B00"))
				Name (_CRS, ResourceTemplate () {
					IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
					IRQNoFlags () { 8 }
				})
			}

			Device (PIC) {
				Name (_HID, EisaId ("PNP0000"))
				Name (_CRS, ResourceTemplate () {
					IO (Decode16, 0x0020, 0x0020, 0x01, 0x02)
					IO (Decode16, 0x00A0, 0x00A0, 0x01, 0x02)
					IO (Decode16, 0x04D0, 0x04D0, 0x01, 0x02)
					IRQNoFlags () { 2 }
				})
			}

			Device (PIT) {
				Name (_HID, EisaId ("PNP0100"))
				Name (_CRS, ResourceTemplate () {
					IO (Decode16, 0x0040, 0x0040, 0x01, 0x04)
					IRQNoFlags () { 0 }
				})
			}

			Device (SPKR) {
				Name (_HID, EisaId ("PNP0800"))
				Name (_CRS, ResourceTemplate () {
					IO (Decode16, 0x0061, 0x0061, 0x01, 0x01)
				})
			}
		}

		/* What belongs to the board and to no driver. */
		Device (MBRD) {
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, One)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x0080, 0x0080, 0x01, 0x01)
				IO (Decode16, 0x0600, 0x0600, 0x01, 0x10)
				Memory32Fixed (ReadWrite, 0xD0000000, 0x00100000)
				Memory32Fixed (ReadWrite, 0xFEC00000, 0x00001000)
				Memory32Fixed (ReadWrite, 0xFEE00000, 0x00001000)
			})
		}
	}
}
