"""Messages <-> types, the one place. Duck-typed over a message factory: the same code serves
rclpy's classes in the live nodes and rosbags' classes offline, so both see the same values.
Imports no ROS.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from gen_nodes.streams import images
from gen_nodes.streams.pose import matrix_from_quaternion, quaternion_from_matrix
from gen_nodes.types import (
    NS,
    ActionChunk,
    AudioSample,
    CameraSample,
    CommandSample,
    ControllerState,
    Episode,
    EpisodeEvent,
    Heartbeat,
    JointSample,
    Mode,
    Observation,
    Sample,
    StreamHealth,
    StreamState,
    TactileSample,
    WrenchSample,
)


class Messages(Protocol):
    """Makes messages: RclpyMessages (ros/messages_rclpy.py) or RosbagsMessages
    (data/messages.py).
    """

    def make(self, type_name: str, **fields: Any) -> Any:
        """A message of 'package/msg/Name'; numpy arrays are taken for number sequences."""


# time and headers


def time_message(m: Messages, stamp_ns: int) -> Any:
    """builtin_interfaces/Time."""
    return m.make('builtin_interfaces/msg/Time', sec=stamp_ns // NS, nanosec=stamp_ns % NS)


def header(m: Messages, stamp_ns: int, frame: str = '') -> Any:
    """std_msgs/Header."""
    return m.make('std_msgs/msg/Header', stamp=time_message(m, stamp_ns), frame_id=frame)


def time_ns(time: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return time.sec * NS + time.nanosec


def stamp_ns(message: Any) -> int:
    """Capture stamp of a message with a header."""
    return time_ns(message.header.stamp)


def floats(values: Any) -> np.ndarray:
    """float64 copy of a number sequence; array.array and numpy pass by buffer."""
    return np.array(values, dtype=np.float64)


def column(values: Any, length: int) -> np.ndarray:
    """(length,) float64, all NaN where a driver sent nothing. Raises ValueError on any other
    length.
    """
    if len(values) == 0:
        return np.full(length, np.nan)
    if len(values) != length:
        raise ValueError(f'{len(values)} values for {length} names')
    return floats(values)


def optional(values: np.ndarray) -> np.ndarray:
    """Inverse of column: an all-NaN column is sent empty."""
    return values[:0] if np.isnan(values).all() else values


# samples


def joint_state_message(m: Messages, s: JointSample) -> Any:
    """sensor_msgs/JointState."""
    return m.make(
        'sensor_msgs/msg/JointState',
        header=header(m, s.capture_ns),
        name=list(s.names),
        position=optional(s.position),
        velocity=optional(s.velocity),
        effort=optional(s.effort),
    )


def joint_sample(message: Any, stream: str, arrival_ns: int) -> JointSample:
    """JointSample of a sensor_msgs/JointState. Raises ValueError where names and values
    disagree.
    """
    names = tuple(message.name)
    return JointSample(
        stream,
        stamp_ns(message),
        arrival_ns,
        names,
        column(message.position, len(names)),
        column(message.velocity, len(names)),
        column(message.effort, len(names)),
    )


def wrench_message(m: Messages, s: WrenchSample) -> Any:
    """geometry_msgs/WrenchStamped."""
    wrench = m.make(
        'geometry_msgs/msg/Wrench', force=vector(m, s.force), torque=vector(m, s.torque)
    )
    return m.make(
        'geometry_msgs/msg/WrenchStamped', header=header(m, s.capture_ns, s.frame), wrench=wrench
    )


def wrench_sample(message: Any, stream: str, arrival_ns: int) -> WrenchSample:
    """WrenchSample of a geometry_msgs/WrenchStamped."""
    wrench = message.wrench
    return WrenchSample(
        stream,
        stamp_ns(message),
        arrival_ns,
        message.header.frame_id,
        xyz(wrench.force),
        xyz(wrench.torque),
    )


def tactile_message(m: Messages, s: TactileSample) -> Any:
    """gen_stack/TactileArray."""
    rows, columns = s.force_RxC.shape
    return m.make(
        'gen_stack/msg/TactileArray',
        header=header(m, s.capture_ns, s.frame),
        stream=s.stream,
        rows=rows,
        columns=columns,
        force=s.force_RxC.astype(np.float32).reshape(-1),
    )


def tactile_sample(message: Any, stream: str, arrival_ns: int) -> TactileSample:
    """TactileSample of a gen_stack/TactileArray. Raises ValueError where rows x columns and data
    disagree.
    """
    force = np.array(message.force, dtype=np.float32).reshape(message.rows, message.columns)
    return TactileSample(stream, stamp_ns(message), arrival_ns, message.header.frame_id, force)


def audio_message(m: Messages, s: AudioSample) -> Any:
    """gen_stack/AudioChunk; the audio's frame of reference is not kept."""
    return m.make(
        'gen_stack/msg/AudioChunk',
        header=header(m, s.capture_ns),
        stream=s.stream,
        sample_rate=s.sample_rate,
        channels=s.samples_FxC.shape[1],
        samples=s.samples_FxC.reshape(-1),
    )


def audio_sample(message: Any, stream: str, arrival_ns: int) -> AudioSample:
    """AudioSample of a gen_stack/AudioChunk."""
    samples = np.array(message.samples, dtype=np.int16).reshape(-1, max(1, message.channels))
    return AudioSample(stream, stamp_ns(message), arrival_ns, message.sample_rate, samples)


def joint_command_message(m: Messages, s: CommandSample) -> Any:
    """gen_stack/JointCommand."""
    return m.make(
        'gen_stack/msg/JointCommand',
        header=header(m, s.capture_ns),
        sequence=s.sequence,
        interface=s.interface,
        joint_names=list(s.names),
        values=s.values,
        rates=s.rates,
        limits=list(s.limits),
        marks=list(s.marks),
    )


def command_sample(message: Any, stream: str, arrival_ns: int) -> CommandSample:
    """CommandSample of a gen_stack/JointCommand. Raises ValueError where names and values
    disagree.
    """
    names = tuple(message.joint_names)
    return CommandSample(
        stream,
        stamp_ns(message),
        arrival_ns,
        message.sequence,
        message.interface,
        names,
        column(message.values, len(names)),
        column(message.rates, len(names)),
        tuple(message.limits),
        tuple(message.marks),
    )


# cameras


def image_message(
    m: Messages, capture_ns: int, frame: str, encoding: str, pixels: np.ndarray
) -> Any:
    """sensor_msgs/Image of a contiguous (H, W) or (H, W, C) array."""
    pixels = np.ascontiguousarray(pixels)
    return m.make(
        'sensor_msgs/msg/Image',
        header=header(m, capture_ns, frame),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )


def colour_array(message: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a sensor_msgs/Image or CompressedImage. Raises
    images.EncodingError.
    """
    data = np.asarray(message.data, dtype=np.uint8)
    if hasattr(message, 'format'):
        return images.decode_compressed_colour(data)
    if message.encoding not in images.COLOUR:
        return through_cv_bridge(message, 'rgb8')
    return images.decode_colour(message.encoding, data, message.height, message.width, message.step)


def depth_array(message: Any) -> np.ndarray:
    """(H, W) uint16 [mm] of a sensor_msgs/Image or CompressedImage. Raises images.EncodingError."""
    data = np.asarray(message.data, dtype=np.uint8)
    if hasattr(message, 'format'):
        return images.decode_compressed_depth(data, message.format)
    return images.decode_depth(
        message.encoding,
        data,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
    )


def through_cv_bridge(message: Any, encoding: str) -> np.ndarray:
    """Any other encoding, where ROS provides cv_bridge. Raises images.EncodingError."""
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise images.EncodingError(
            f"encoding '{message.encoding}' needs cv_bridge (ros-jazzy-cv-bridge); without it: "
            f'{", ".join(images.COLOUR)}'
        ) from error
    return np.asarray(CvBridge().imgmsg_to_cv2(message, encoding))


def colour_sample(message: Any, stream: str, arrival_ns: int) -> images.ColourSample:
    """ColourSample of a sensor_msgs/Image or CompressedImage."""
    return images.ColourSample(
        stream, stamp_ns(message), arrival_ns, message.header.frame_id, colour_array(message)
    )


def depth_sample(message: Any, stream: str, arrival_ns: int) -> images.DepthSample:
    """DepthSample of a sensor_msgs/Image or CompressedImage."""
    return images.DepthSample(stream, stamp_ns(message), arrival_ns, depth_array(message))


def intrinsics_sample(message: Any, stream: str, arrival_ns: int) -> images.IntrinsicsSample:
    """IntrinsicsSample of a sensor_msgs/CameraInfo."""
    return images.IntrinsicsSample(
        stream,
        stamp_ns(message),
        arrival_ns,
        message.width,
        message.height,
        floats(message.k).reshape(3, 3),
    )


def pose_sample(message: Any, stream: str, arrival_ns: int) -> images.PoseSample:
    """PoseSample of a geometry_msgs/PoseStamped. Raises ValueError on a zero or non-finite
    quaternion.
    """
    return images.PoseSample(stream, stamp_ns(message), arrival_ns, matrix_of(message.pose))


def camera_info_message(m: Messages, s: CameraSample) -> Any:
    """sensor_msgs/CameraInfo of an undistorted pinhole camera."""
    height, width = s.rgb_HxWx3.shape[:2]
    projection = np.zeros((3, 4))
    projection[:, :3] = s.k_3x3
    return m.make(
        'sensor_msgs/msg/CameraInfo',
        header=header(m, s.capture_ns, s.frame),
        height=height,
        width=width,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=s.k_3x3.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
    )


def colour_message(m: Messages, s: CameraSample) -> Any:
    """sensor_msgs/Image, rgb8."""
    return image_message(m, s.capture_ns, s.frame, 'rgb8', s.rgb_HxWx3)


def depth_message(m: Messages, s: CameraSample) -> Any:
    """sensor_msgs/Image, 16UC1 [mm]; 0 x 0 where the camera has none."""
    depth = np.zeros((0, 0), np.uint16) if s.depth_mm_HxW is None else s.depth_mm_HxW
    return image_message(m, s.capture_ns, s.frame, '16UC1', depth)


def camera_pose_message(m: Messages, s: CameraSample, base_frame: str) -> Any:
    """geometry_msgs/PoseStamped of the optical frame in the base frame."""
    return m.make(
        'geometry_msgs/msg/PoseStamped',
        header=header(m, s.capture_ns, base_frame),
        pose=pose_message(m, s.base_from_camera_4x4),
    )


def camera_frame_message(m: Messages, s: CameraSample) -> Any:
    """gen_stack/CameraFrame."""
    return m.make(
        'gen_stack/msg/CameraFrame',
        header=header(m, s.capture_ns, s.frame),
        stream=s.stream,
        rgb=colour_message(m, s),
        depth=depth_message(m, s),
        k=s.k_3x3.reshape(-1),
        base_from_camera=pose_message(m, s.base_from_camera_4x4),
    )


def camera_sample(message: Any, arrival_ns: int) -> CameraSample:
    """CameraSample of a gen_stack/CameraFrame."""
    depth = depth_array(message.depth) if message.depth.width else None
    return CameraSample(
        message.stream,
        stamp_ns(message),
        arrival_ns,
        message.header.frame_id,
        colour_array(message.rgb),
        depth,
        floats(message.k).reshape(3, 3),
        matrix_of(message.base_from_camera),
    )


# geometry


def vector(m: Messages, values: np.ndarray) -> Any:
    """geometry_msgs/Vector3."""
    return m.make(
        'geometry_msgs/msg/Vector3', x=float(values[0]), y=float(values[1]), z=float(values[2])
    )


def xyz(message: Any) -> np.ndarray:
    """(3,) of a Vector3 or Point."""
    return np.array((message.x, message.y, message.z), dtype=np.float64)


def pose_message(m: Messages, matrix_4x4: np.ndarray) -> Any:
    """geometry_msgs/Pose."""
    position, (w, x, y, z) = quaternion_from_matrix(matrix_4x4)
    px, py, pz = (float(value) for value in position)
    return m.make(
        'geometry_msgs/msg/Pose',
        position=m.make('geometry_msgs/msg/Point', x=px, y=py, z=pz),
        orientation=m.make(
            'geometry_msgs/msg/Quaternion', x=float(x), y=float(y), z=float(z), w=float(w)
        ),
    )


def matrix_of(pose: Any) -> np.ndarray:
    """4x4 of a geometry_msgs/Pose. Raises ValueError on a zero or non-finite quaternion."""
    o = pose.orientation
    return matrix_from_quaternion(xyz(pose.position), np.array((o.w, o.x, o.y, o.z)))


# observation and action


def health_message(m: Messages, h: StreamHealth) -> Any:
    """gen_stack/StreamHealth."""
    return m.make(
        'gen_stack/msg/StreamHealth',
        stream=h.stream,
        state=int(h.state),
        rate_hz=h.rate_hz,
        age_s=h.age_s,
        received=h.received,
        used=h.used,
        dropped_reason=list(h.dropped),
        dropped_count=np.array(list(h.dropped.values()), dtype=np.uint32),
    )


def health_of(message: Any) -> StreamHealth:
    """StreamHealth of its message."""
    dropped = {
        str(reason): int(count)
        for reason, count in zip(message.dropped_reason, message.dropped_count, strict=True)
    }
    return StreamHealth(
        message.stream,
        StreamState(message.state),
        message.rate_hz,
        message.age_s,
        message.received,
        message.used,
        dropped,
    )


def observation_message(m: Messages, o: Observation, base_frame: str) -> Any:
    """gen_stack/Observation. Raises TypeError for a sample that has no place in it."""
    groups: dict[type, list[Any]] = {
        kind: []
        for kind in (
            JointSample,
            WrenchSample,
            CameraSample,
            TactileSample,
            AudioSample,
            CommandSample,
        )
    }
    for sample in o.samples:
        if type(sample) not in groups:
            raise TypeError(f'an Observation cannot carry a {type(sample).__name__}')
        groups[type(sample)].append(sample)
    joints, wrenches = groups[JointSample], groups[WrenchSample]
    return m.make(
        'gen_stack/msg/Observation',
        header=header(m, o.stamp_ns, base_frame),
        sequence=o.sequence,
        instruction=o.instruction,
        joint_state_streams=[s.stream for s in joints],
        joint_states=[joint_state_message(m, s) for s in joints],
        wrench_streams=[s.stream for s in wrenches],
        wrenches=[wrench_message(m, s) for s in wrenches],
        cameras=[camera_frame_message(m, s) for s in groups[CameraSample]],
        tactile=[tactile_message(m, s) for s in groups[TactileSample]],
        audio=[audio_message(m, s) for s in groups[AudioSample]],
        executed=[joint_command_message(m, s) for s in groups[CommandSample]],
        health=[health_message(m, h) for h in o.health],
    )


def observation_of(message: Any) -> Observation:
    """Observation of its message; every sample arrives at its stamp."""
    arrival = stamp_ns(message)
    samples: list[Sample] = []
    samples += (
        joint_sample(one, stream, arrival)
        for stream, one in zip(message.joint_state_streams, message.joint_states, strict=True)
    )
    samples += (
        wrench_sample(one, stream, arrival)
        for stream, one in zip(message.wrench_streams, message.wrenches, strict=True)
    )
    samples += (camera_sample(one, arrival) for one in message.cameras)
    samples += (tactile_sample(one, one.stream, arrival) for one in message.tactile)
    samples += (audio_sample(one, one.stream, arrival) for one in message.audio)
    samples += (command_sample(one, 'executed', arrival) for one in message.executed)
    return Observation(
        arrival,
        message.sequence,
        message.instruction,
        tuple(samples),
        tuple(health_of(one) for one in message.health),
    )


def action_chunk_message(m: Messages, c: ActionChunk, base_frame: str) -> Any:
    """gen_stack/ActionChunk."""
    return m.make(
        'gen_stack/msg/ActionChunk',
        header=header(m, c.stamp_ns, base_frame),
        newest_capture=time_message(m, c.newest_capture_ns),
        sequence=c.sequence,
        interface=c.interface,
        joint_names=list(c.joint_names),
        times=c.times_s,
        values=c.values.reshape(-1),
        rates=c.rates.reshape(-1),
        spread=np.zeros(0) if c.spread is None else c.spread.reshape(-1),
    )


def action_chunk_of(message: Any) -> ActionChunk:
    """ActionChunk of its message. Raises ValueError where sizes disagree."""
    names, times = tuple(message.joint_names), floats(message.times)
    shape = (len(times), len(names))
    spread = floats(message.spread).reshape(shape) if len(message.spread) else None
    return ActionChunk(
        stamp_ns(message),
        time_ns(message.newest_capture),
        message.sequence,
        names,
        message.interface,
        times,
        floats(message.values).reshape(shape),
        floats(message.rates).reshape(shape),
        spread,
    )


def controller_state_message(m: Messages, s: ControllerState) -> Any:
    """gen_stack/ControllerState."""
    return m.make(
        'gen_stack/msg/ControllerState',
        header=header(m, s.stamp_ns),
        mode=int(s.mode),
        reason=s.reason,
        next_step=s.next_step,
        chunk_age_s=s.chunk_age_s,
        state_age_s=s.state_age_s,
        chunk_sequence=s.chunk_sequence,
        ticks=s.ticks,
        missed=s.missed,
        worst_gap_s=s.worst_gap_s,
        since=time_message(m, s.since_ns),
    )


def controller_state_of(message: Any) -> ControllerState:
    """ControllerState of its message."""
    return ControllerState(
        stamp_ns(message),
        Mode(message.mode),
        message.reason,
        message.next_step,
        message.chunk_age_s,
        message.state_age_s,
        message.chunk_sequence,
        message.ticks,
        message.missed,
        message.worst_gap_s,
        time_ns(message.since),
    )


def heartbeat_message(m: Messages, h: Heartbeat) -> Any:
    """gen_stack/Heartbeat."""
    return m.make(
        'gen_stack/msg/Heartbeat',
        header=header(m, h.stamp_ns),
        node=h.node,
        instance=h.instance,
        fit=h.fit,
        since=time_message(m, h.since_ns),
        cause=h.cause,
        next_step=h.next_step,
    )


def heartbeat_of(message: Any) -> Heartbeat:
    """Heartbeat of its message."""
    return Heartbeat(
        stamp_ns(message),
        message.node,
        message.fit,
        time_ns(message.since),
        message.cause,
        message.next_step,
        message.instance,
    )


def episode_message(m: Messages, e: Episode) -> Any:
    """gen_stack/Episode."""
    return m.make(
        'gen_stack/msg/Episode',
        header=header(m, e.stamp_ns),
        event=int(e.event),
        id=e.id,
        instruction=e.instruction,
        task=e.task,
        outcome=e.outcome,
        note=e.note,
    )


def episode_of(message: Any) -> Episode:
    """Episode of its message."""
    return Episode(
        stamp_ns(message),
        EpisodeEvent(message.event),
        message.id,
        message.instruction,
        message.task,
        message.outcome,
        message.note,
    )
