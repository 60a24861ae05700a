"""Which attributes a kept DICOM object may hold. What is not named here does not stay.

Stricter than the basic profile of DICOM PS3.15, but not checked against it line by line: no
conformance is claimed. Free text never stays, not even harmless text: it cannot be told apart.
"""

from typing import Final

# Numbers. They stay if every value is a finite number.
NUMBERS: Final = frozenset(
    {
        *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit"),
        *("PixelRepresentation", "PlanarConfiguration", "PixelPaddingValue", "PixelPaddingRangeLimit"),
        *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "LUTDescriptor"),
        *("RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor"),
        *("BluePaletteColorLookupTableDescriptor", "PixelIntensityRelationshipSign"),
        *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "SliceThickness", "SliceLocation"),
        *("SpacingBetweenSlices", "ImagePositionPatient", "ImageOrientationPatient", "GantryDetectorTilt"),
        *("KVP", "XRayTubeCurrent", "ExposureTime", "Exposure", "DistanceSourceToDetector"),
        *("DistanceSourceToPatient", "ReconstructionDiameter", "DataCollectionDiameter"),
        *("EstimatedRadiographicMagnificationFactor", "LossyImageCompressionRatio"),
        *("SeriesNumber", "AcquisitionNumber", "InstanceNumber"),
    }
)

# Words. They stay if every value is one of those named; a name planted as a code does not.
WORDS: Final[dict[str, frozenset[str]]] = {
    keyword: frozenset(allowed.split("|"))
    for keyword, allowed in {
        "Modality": "CR|DX|DR|CT|MG|RF|XA|US|MR|NM|PT|OT|SC|IO|PX|ES|XC|GM|SM|OP|RG|BI|RTIMAGE|RTDOSE",
        "ImageType": "ORIGINAL|DERIVED|PRIMARY|SECONDARY|AXIAL|LOCALIZER|SCOUT|MPR|REFORMATTED|MIP|MINIP"
        "|AVERAGE|VOLUME|NONE|HELIX|OTHER|PROJECTION IMAGE|RESAMPLED|MAXIMUM|MEAN|MINIMUM|MEDIAN"
        "|SINGLE|DOSE|DOSE_INFO|SCREEN SAVE|CT_SOM5 SPI|CT_SOM5 SEQ|CT_SOM5 TOP|CT_SOM5 PROT"
        "|SUBTRACTION|3D|AP|PA|LATERAL",
        "PhotometricInterpretation": "MONOCHROME1|MONOCHROME2|RGB|YBR_FULL|YBR_FULL_422|YBR_ICT|YBR_RCT"
        "|YBR_PARTIAL_420|PALETTE COLOR",
        "PresentationLUTShape": "IDENTITY|INVERSE",
        "PresentationIntentType": "FOR PRESENTATION|FOR PROCESSING",
        "PixelIntensityRelationship": "LIN|LOG|DISP",
        "VOILUTFunction": "LINEAR|LINEAR_EXACT|SIGMOID",
        "RescaleType": "HU|US|OD|HU_MOD|PCT|MGML|Z_EFF|ED|EDW",
        "BurnedInAnnotation": "YES|NO",
        "LossyImageCompression": "00|01",
        "LossyImageCompressionMethod": "ISO_10918_1|ISO_14495_1|ISO_15444_1|ISO_15444_15",
        "ConversionType": "DV|DI|DF|WSD|SD|SI|DRW|SYN",
        "BodyPartExamined": "CHEST|THORAX|LUNG|LUNGS|HEART|RIBS|STERNUM|TSPINE|ABDOMEN|PELVIS|HEAD|NECK"
        "|SKULL|BRAIN|CSPINE|LSPINE|SPINE|SHOULDER|CLAVICLE|ARM|ELBOW|FOREARM|HAND|WRIST|HIP|KNEE|LEG"
        "|ANKLE|FOOT|BREAST|EXTREMITY|WHOLEBODY|CHESTABDOMEN|CHESTABDPELVIS",
        "ViewPosition": "AP|PA|LL|RL|RLD|LLD|RLO|LLO|LATERAL|LAT",
        "PatientPosition": "HFP|HFS|HFDR|HFDL|FFDR|FFDL|FFP|FFS|LFP|LFS|RFP|RFS|AFDR|AFDL|PFDR|PFDL",
        "PatientOrientation": "A|P|R|L|H|F|AF|AR|AL|PF|PR|PL|RF|LF|RH|LH|AH|PH",
        "Laterality": "R|L|U|B",
        "ImageLaterality": "R|L|U|B",
        "PatientSex": "M|F|O",
        "FrameType": "ORIGINAL|DERIVED|PRIMARY|SECONDARY|MIXED|AXIAL|LOCALIZER|VOLUME|NONE|REFORMATTED"
        "|MPR|MIP|MINIP|AVERAGE|HELIX|RESAMPLED|MAXIMUM|MEAN|MINIMUM|MEDIAN|PERFUSION|ANGIO|CARDIAC",
    }.items()
}

# UIDs. Those that the standard itself gives out stay; all others are remapped.
UIDS: Final = frozenset(
    {
        *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
        *("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    }
)

DATES: Final = frozenset({"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"})

# Bytes that are pixels or tables. Lengths are cut to what their descriptors say.
TABLES: Final[dict[str, str]] = {
    "LUTData": "LUTDescriptor",
    "RedPaletteColorLookupTableData": "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableData": "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableData": "BluePaletteColorLookupTableDescriptor",
}
PIXELS: Final = "PixelData"

# Sequences whose items are treated by this same table.
SEQUENCES: Final = frozenset(
    {
        *("ModalityLUTSequence", "VOILUTSequence", "ReferencedImageSequence", "SourceImageSequence"),
        *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelMeasuresSequence"),
        *("PlanePositionSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence"),
        *("FrameVOILUTSequence", "CTImageFrameTypeSequence"),
    }
)

# Attributes that a composite object must have, empty where nothing may stand in them.
EMPTIED: Final = (
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("ReferringPhysicianName", "StudyID"),
)

NAMED: Final = NUMBERS | set(WORDS) | UIDS | DATES | set(TABLES) | SEQUENCES | {PIXELS, "PatientAge"}
