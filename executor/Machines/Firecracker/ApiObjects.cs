using System.Text.Json.Serialization;

namespace RunnerVm.Machines.Firecracker;

/// <summary>/machine-config</summary>
internal sealed record ApiMachineConfiguration(int VcpuCount, int MemSizeMib);

/// <summary>/boot-source</summary>
internal sealed record ApiBootSource(string KernelImagePath, string InitrdPath, string BootArgs);

/// <summary>/drives/{drive_id}</summary>
internal sealed record ApiDrive(string DriveId, string PathOnHost, bool IsRootDevice, bool IsReadOnly, string CacheType);

/// <summary>/vsock</summary>
internal sealed record ApiVsock(uint GuestCid, string UdsPath);

/// <summary>/vm</summary>
internal sealed record ApiVm(string State);

/// <summary>/snapshot/create</summary>
internal sealed record ApiSnapshotCreate(string SnapshotType, string SnapshotPath, string MemFilePath);

/// <summary>/snapshot/load</summary>
internal sealed record ApiSnapshotLoad(string SnapshotPath, ApiMemoryBackend MemBackend, bool ResumeVm);

/// <summary>In /snapshot/load</summary>
internal sealed record ApiMemoryBackend(string BackendType, string BackendPath);

/// <summary>/actions</summary>
internal sealed record ApiAction(string ActionType);

/// <summary>What a refused request is answered with.</summary>
internal sealed record ApiFault(string? FaultMessage);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ApiMachineConfiguration))]
[JsonSerializable(typeof(ApiBootSource))]
[JsonSerializable(typeof(ApiDrive))]
[JsonSerializable(typeof(ApiVsock))]
[JsonSerializable(typeof(ApiVm))]
[JsonSerializable(typeof(ApiSnapshotCreate))]
[JsonSerializable(typeof(ApiSnapshotLoad))]
[JsonSerializable(typeof(ApiAction))]
[JsonSerializable(typeof(ApiFault))]
internal sealed partial class ApiJson : JsonSerializerContext;
