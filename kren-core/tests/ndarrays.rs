//! Arrays of the crate `ndarray` in messages (feature `ndarray`).

use kren_core::array::DType;
use kren_core::{KrenReader, KrenWriter};
use ndarray::{Array3, ArrayD, IxDyn, s};

fn pair(what: &str, alignment: u32) -> (KrenWriter, KrenReader) {
    let name = format!("ndarrays-{what}-{}", std::process::id());
    let options = KrenWriter::options().alignment(alignment as usize);
    let writer = options.create(&name, 1 << 16).unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    (writer, reader)
}

/// Whatever its layout, what arrives is the same array, in C order.
#[test]
fn any_layout_arrives_in_c_order() {
    for alignment in [8, 64] {
        let (mut writer, mut reader) = pair("layout", alignment);
        let cube = Array3::from_shape_fn((4, 5, 6), |(i, j, k)| (100 * i + 10 * j + k) as i32);
        let views = [
            cube.view(),
            cube.slice(s![..;2, ..;-1, 1..]),
            cube.view().permuted_axes([2, 0, 1]),
            cube.slice(s![0..0, .., ..]),
        ];
        for view in views {
            writer.write_ndarray(&view).unwrap();
            let lease = reader.read().unwrap().into_lease();
            let received = lease.array().unwrap().as_ndarray::<i32>().unwrap();
            assert!(received.is_standard_layout());
            assert_eq!(received, view.into_dyn());
        }
        let complex = ArrayD::from_shape_fn(IxDyn(&[3, 2]), |at| [at[0] as f64, at[1] as f64]);
        for view in [complex.view(), complex.t()] {
            writer.write_ndarray(&view).unwrap();
            let lease = reader.read().unwrap().into_lease();
            let array = lease.array().unwrap();
            assert_eq!(
                (array.dtype(), array.shape()),
                (DType::Complex128, view.shape())
            );
            let first = view
                .iter()
                .flat_map(|[re, im]| [re.to_le_bytes(), im.to_le_bytes()]);
            assert_eq!(array.bytes(), first.flatten().collect::<Vec<u8>>());
        }
    }
}

#[test]
fn an_array_is_built_in_the_ring() {
    let (mut writer, mut reader) = pair("built", 64);
    let mut slot = writer.reserve_array(&[3, 4], DType::Float32).unwrap();
    assert!(slot.as_ndarray_mut::<f64>().is_none());
    let mut room = slot.as_ndarray_mut::<f32>().unwrap();
    room.fill(0.5);
    slot.commit();
    let message = reader.read().unwrap();
    let array = message.array().unwrap();
    assert_eq!(array.as_ndarray::<f32>().unwrap().sum(), 6.0);
    assert!(array.as_ndarray::<f64>().is_none());
}
