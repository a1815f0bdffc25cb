using System.Text.Json.Serialization;

namespace RunnerVm.Images;

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(KernelManifest))]
[JsonSerializable(typeof(InitramfsManifest))]
[JsonSerializable(typeof(ImageManifest))]
internal sealed partial class ImagesJson : JsonSerializerContext;
